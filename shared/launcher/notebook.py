"""`./inv notebook GUIDE`: a guide as a notebook, for browsers on this machine only.

The notebooks' folder in the data volume holds copies of all pages, where they lie in the repository, so that the links
between them lead somewhere; `inv`, which has the cells' verbs run out here (launcher.asked), whatever the engine; and
`data`, the data volume, so that a page's commands and paths are right there too.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType

from isomer import asking, files
from isomer.errors import known
from isomer.files import sha256_of_file
from launcher import asked, docs, engines, ports, project, steps
from launcher.engines import venv
from launcher.exporting import TOOLS
from launcher.options import ROAD
from launcher.step import Step
from launcher.verbs import Parsed

LOCK = project.ROOT / "docs" / "notebooks" / "requirements.lock"


def run(given: Parsed) -> None:
    name, port = given.flags.guide, given.flags.port
    if name not in (ROAD, *project.images()):
        raise known("guide", name, (ROAD, *project.images()))
    image = TOOLS if name == ROAD else name
    page = docs.ROAD if name == ROAD else project.IMAGES / image / "README.md"
    if not given.flags.execute:
        ports.check_free(port)
    engine = engines.choose(given.flags)
    lay_out(page)
    if given.flags.execute:
        execute(engine, image, page)
    else:
        serve(engine, image, page, port)


def serve(engine: ModuleType, image: str, page: Path, port: int) -> None:
    """Serve a page that is laid out, until Ctrl-C."""
    with asked.answering(engine.NAME, folder()) as place:
        argv = (*_command("serve", image, page), f"--ip={_own(engine).LISTEN}", f"--port={port}")
        print(f"opens http://localhost:{port}/lab with the token that Jupyter shows; Ctrl-C ends it", flush=True)
        try:
            env = {asking.VARIABLE: place}
            steps.run(_own(engine), Step(image, argv, env, program="python3", network=True, port=port))
        except KeyboardInterrupt:
            print("\nended")


def execute(engine: ModuleType, image: str, page: Path) -> None:
    """Execute all cells of a page that is laid out.

    Raises:
        StepFailed: a cell failed; those after it are not executed.
    """
    with asked.answering(engine.NAME, folder()) as place:
        env = {asking.VARIABLE: place}
        steps.run(_own(engine), Step(image, _command("execute", image, page), env, program="python3"))


def _own(engine: ModuleType) -> ModuleType:
    """What runs the notebook itself: on a cluster its verbs are jobs, and it is on the machine that they come from."""
    return venv if engine.NAME == "slurm" else engine


def _command(what: str, image: str, page: Path) -> tuple[str | Path, ...]:
    environment = venv.tool("notebook", LOCK)
    return ("-m", "isomer.notebooks", what, environment, image, str(page.relative_to(project.ROOT)))


def folder() -> Path:
    return project.volume().root / "notebooks"


def lay_out(opened: Path) -> None:
    """Copy all pages, and what they link to, into the notebooks' folder; what is a notebook there already stays.

    Args:
        opened: the page that will be one; said is when the notebook there was made of another text.
    """
    home = folder()
    home.mkdir(parents=True, exist_ok=True)
    pages = docs.pages()
    for path in {*pages, *(path for page in pages for path in docs.linked(page))}:
        place = home / path.relative_to(project.ROOT)
        if not place.with_suffix(".ipynb").is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
    files.write_text(home / "inv", asking.PROGRAM)
    (home / "inv").chmod(0o755)
    if not (home / "data").is_symlink():
        (home / "data").symlink_to("..")
    made = (home / opened.relative_to(project.ROOT)).with_suffix(".ipynb")
    if made.is_file() and sha256_of_file(opened) not in made.read_text():
        print(f"{made} is as you left it, and the guide has changed since; remove it to begin anew", flush=True)
