"""A guide as a notebook in an image, with Jupyter's packages lying apart from the image's own.

    python -m isomer.notebooks serve ENVIRONMENT IMAGE PAGE [flags of Jupyter]
    python -m isomer.notebooks execute ENVIRONMENT IMAGE PAGE
    python -m isomer.notebooks kernel ENVIRONMENT [flags of the kernel]

A package that both have is the image's own: ENVIRONMENT's stand behind. PAGE is Markdown in the folder of the
notebooks; jupytext keeps the notebook beside it in step with it. Cells are its blocks of `bash` and `python`; one with
a title is the file of that name. Other blocks (`shell` where something is to be filled in) stay text.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from isomer import files
from isomer.errors import CheckFailed, run_main
from isomer.volume import Volume

KERNEL = "isomer"
NEWS = "@jupyterlab/apputils-extension:announcements"  # would ask, before anything else, whether to fetch some
# Said before the page's own text is read: jupytext would else take the language of most cells for the notebook's.
HEAD = f"""---
jupyter:
  jupytext: {{formats: "ipynb,md"}}
  kernelspec: {{name: {KERNEL}, display_name: {KERNEL}, language: python}}
---

"""


def use(environment: Path) -> None:
    """Make an environment's packages importable, behind those that are there."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    sys.path.append(str(environment / "lib" / version / "site-packages"))


def home() -> Path:
    """The folder of the notebooks, where their cells run."""
    return Volume.from_environment().root / "notebooks"


def settings(environment: Path, image: str, own: Path) -> dict[str, str]:
    """Variables for the server: where Jupyter's files lie, and in the folder `own` which kernel there is."""
    spec = {
        "argv": [sys.executable, "-m", "isomer.notebooks", "kernel", str(environment), "-f", "{connection_file}"],
        "display_name": f"Python, {image} image",
        "language": "python",
    }
    _write(own / "kernels" / KERNEL / "kernel.json", spec)
    _write(own / "labconfig" / "page_config.json", {"disabledExtensions": {NEWS: True}})
    share = environment / "share" / "jupyter"
    return {
        "JUPYTER_PATH": os.pathsep.join([str(own), str(share)]),
        "JUPYTER_CONFIG_PATH": os.pathsep.join([str(own), str(environment / "etc" / "jupyter")]),
        "JUPYTERLAB_DIR": str(share / "lab"),
        # a kernel's own would be handed on to what a cell starts, which does not have it
        "MPLBACKEND": "agg",
    }


def paired(page: Path) -> Path:
    """The notebook of a page, made of it where there is none; the page gets the head that jupytext needs to know."""
    import jupytext

    notebook = page.with_suffix(".ipynb")
    if not notebook.exists():
        made = jupytext.reads(HEAD + page.read_text(), "md")
        made.metadata[KERNEL] = {"guide_sha256": files.sha256_of_file(page)}
        for cell in made.cells:
            cell.source = re.sub(r"\A%%bash$", "%%bash -e", cell.source, flags=re.MULTILINE)  # or its last line decides
            if "title" in cell.metadata:
                cell.source = f"%%writefile {cell.metadata['title']}\n{cell.source}"
        keep(made, notebook)
    return notebook


def keep(made: Any, notebook: Path) -> None:
    """Write a notebook and then its text, which jupytext takes for outdated where it is the older."""
    import jupytext

    files.write_text(notebook, jupytext.writes(made, "ipynb"))
    files.write_text(notebook.with_suffix(".md"), jupytext.writes(made, "md"))


def serve(environment: Path, image: str, page: Path, arguments: list[str]) -> None:
    """Serve the notebook until it is interrupted."""
    notebook = paired(page)
    with tempfile.TemporaryDirectory() as own:
        os.environ.update(settings(environment, image, Path(own)))
        from jupyterlab.labapp import LabApp

        LabApp.launch_instance(
            argv=[
                "--no-browser",
                "--ServerApp.port_retries=0",
                "--ServerApp.answer_yes=True",
                "--ServerApp.allow_root=True",  # in a container of one's own
                "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
                f"--ServerApp.root_dir={home()}",
                f"--LabApp.default_url=/lab/tree/{notebook.relative_to(home())}",
                f"--MultiKernelManager.default_kernel_name={KERNEL}",
                *arguments,
            ]
        )


def execute(environment: Path, image: str, page: Path) -> None:
    """Execute all cells, say what they give as they end, and keep it in the notebook.

    Raises:
        CheckFailed: a cell failed; those after it are not executed.
    """
    notebook = paired(page)
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    made = nbformat.read(notebook, as_version=4)
    with tempfile.TemporaryDirectory() as own:
        os.environ.update(settings(environment, image, Path(own)))
        try:
            NotebookClient(made, timeout=None, on_cell_executed=_say).execute()
        except CellExecutionError as error:
            raise CheckFailed(f"{notebook.relative_to(home())}: a cell failed: {error.ename}: {error.evalue}") from None
        finally:
            keep(made, notebook)


def _write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True)
    files.write_json(path, value)


def _say(cell: Any, cell_index: int, **_: Any) -> None:
    for output in cell.get("outputs", ()):
        print(output.get("text", ""), end="", flush=True)


def kernel(environment: Path, arguments: list[str]) -> None:
    """A kernel of this Python, whose cells run where `./inv` and `data` are."""
    from ipykernel.kernelapp import launch_new_instance

    os.chdir(home())
    launch_new_instance(argv=arguments)


def main() -> None:
    what, place, *rest = sys.argv[1:]
    environment = Path(place)
    use(environment)
    if what == "kernel":
        kernel(environment, rest)
        return
    image, page, *arguments = rest
    if what == "serve":
        serve(environment, image, home() / page, arguments)
    else:
        execute(environment, image, home() / page)


if __name__ == "__main__":
    run_main(main)
