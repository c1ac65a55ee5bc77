"""A notebook server for an image, and its kernels, of packages that lie apart from the image's own.

    python -m isomer.notebooks serve ENVIRONMENT IMAGE SOURCE [flags of Jupyter]
    python -m isomer.notebooks kernel ENVIRONMENT [flags of the kernel]

A package that both have is the image's own: ENVIRONMENT's stand behind. SOURCE is text (jupytext's Markdown), copied
into the data volume, and the notebook beside it there is kept in step with that copy.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from isomer import files
from isomer.errors import run_main
from isomer.volume import Volume

KERNEL = "isomer"
PAIRED = "ipynb,md"


def use(environment: Path) -> None:
    """Make an environment's packages importable, behind those that are there."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    sys.path.append(str(environment / "lib" / version / "site-packages"))


def settings(environment: Path, image: str, kernels: Path) -> dict[str, str]:
    """Variables for the server: where Jupyter's own files lie, which kernel there is, where the image's scripts are."""
    spec = {
        "argv": [sys.executable, "-m", "isomer.notebooks", "kernel", str(environment), "-f", "{connection_file}"],
        "display_name": f"Python, {image} image",
        "language": "python",
    }
    files.write_json(_made(kernels / "kernels" / KERNEL) / "kernel.json", spec)
    share = environment / "share" / "jupyter"
    return {
        "JUPYTER_PATH": os.pathsep.join([str(kernels), str(share)]),
        "JUPYTER_CONFIG_PATH": str(environment / "etc" / "jupyter"),
        "JUPYTERLAB_DIR": str(share / "lab"),
        # a kernel's own would be handed on to scripts that a cell starts, which do not have it
        "MPLBACKEND": "agg",
        "ISOMER_SCRIPTS": str(Path(__file__).resolve().parents[2] / "images" / image),
    }


def lay_out(source: Path, folder: Path) -> Path:
    """The notebook of a source in a folder; what the reader wrote there before stays."""
    import jupytext

    text = _made(folder) / source.name
    notebook = text.with_suffix(".ipynb")
    if not text.exists():
        shutil.copyfile(source, text)
    if not notebook.exists():
        made = jupytext.read(text)
        made.metadata["kernelspec"] = {"name": KERNEL, "display_name": KERNEL, "language": "python"}
        made.metadata["jupytext"] = {"formats": PAIRED}
        files.write_text(notebook, jupytext.writes(made, "ipynb"))
    return notebook


def serve(environment: Path, image: str, source: Path, arguments: list[str]) -> None:
    """Serve the notebook until it is interrupted."""
    use(environment)
    notebook = lay_out(source, Volume.from_environment().root / "notebooks" / image)
    with tempfile.TemporaryDirectory() as kernels:
        os.environ.update(settings(environment, image, Path(kernels)))
        from jupyterlab.labapp import LabApp

        LabApp.launch_instance(
            argv=[
                "--no-browser",
                "--ServerApp.port_retries=0",
                "--ServerApp.answer_yes=True",
                "--ServerApp.allow_root=True",  # in a container of one's own
                "--LabApp.news_url=None",
                "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
                f"--ServerApp.root_dir={notebook.parent}",
                f"--LabApp.default_url=/lab/tree/{notebook.name}",
                f"--MultiKernelManager.default_kernel_name={KERNEL}",
                *arguments,
            ]
        )


def kernel(environment: Path, arguments: list[str]) -> None:
    use(environment)
    from ipykernel.kernelapp import launch_new_instance

    launch_new_instance(argv=arguments)


def main() -> None:
    what, environment, *rest = sys.argv[1:]
    if what == "kernel":
        kernel(Path(environment), rest)
    else:
        image, source, *arguments = rest
        serve(Path(environment), image, Path(source), arguments)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    run_main(main)
