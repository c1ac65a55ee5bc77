"""`./inv docs`: a site of the README, the guides, and the reference of `isomer` from its docstrings.

The pages keep their places, so that the links between them, which lead somewhere on GitHub, lead there on the site too.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from isomer import files
from isomer.errors import CheckFailed
from launcher import guides, process, project
from launcher.engines import venv
from launcher.process import Command
from launcher.verbs import Parsed

FOLDER = project.ROOT / "docs"
ROAD = FOLDER / "guide.md"
SETTINGS = FOLDER / "mkdocs.yml"
LOCK = FOLDER / "requirements.lock"
SCRIPT = FOLDER / "iframe-worker.js"
SITE = project.STATE / "site"
LIBRARY = project.ROOT / "shared" / "isomer"
REFERENCE = "reference"
TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)\s]*)?\)")

Nav = list[dict[str, Any]]


def run(given: Parsed) -> None:
    guides.renew()
    home = venv.tool("docs", LOCK)
    build(home / "bin" / "python", SITE)
    print(f"file://{SITE / 'index.html'}", flush=True)


def build(python: Path, target: Path) -> None:
    """Build the site with an environment's Python; what was there before is replaced whole.

    Raises:
        CheckFailed: a link leads nowhere, or a docstring tells of what is not there.
    """
    project.STATE.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="docs.", dir=project.STATE) as name,
        files.replacing_folder(target) as made,
    ):
        pages = Path(name) / "pages"
        nav = lay_out(pages)
        settings = {"INHERIT": str(SETTINGS), "docs_dir": str(pages), "site_dir": str(made), "nav": nav}
        settings["plugins"] = {"mkdocstrings": {"handlers": {"python": {"paths": [str(LIBRARY.parent)]}}}}
        config = Path(name) / "mkdocs.yml"
        config.write_text(json.dumps(settings))
        # the first: the generator's opinion of its successor
        env = {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": ""}
        command = Command((str(python), "-m", "mkdocs", "build", "--config-file", str(config)), env)
        process.show(command)
        if process.run(command) != 0:
            raise CheckFailed(f"the site could not be built (see above); {os.path.relpath(target)} stays as it was")


def lay_out(target: Path) -> Nav:
    """Copy all pages, and the files that they link to, to where the generator looks; returns the table of contents."""
    chosen = pages()
    for path in (SCRIPT, *chosen, *(path for page in chosen for path in linked(page))):
        place = target / path.relative_to(project.ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    nav: Nav = [{title(page): str(page.relative_to(project.ROOT))} for page in chosen]
    return [*nav, {"Reference": reference(LIBRARY, target)}]


def pages() -> list[Path]:
    """README.md, the guides, the images' guides, the benchmarks' pages; the road first, since it is what newcomers
    look for."""
    others = sorted(path for path in FOLDER.rglob("*.md") if path != ROAD)
    return [
        project.ROOT / "README.md",
        ROAD,
        *(project.IMAGES / name / "README.md" for name in project.images()),
        *others,
        *sorted((project.ROOT / "benchmarks").glob("*.md")),
    ]


def title(page: Path) -> str:
    """A page's first heading, as far as its colon."""
    return TITLE.search(page.read_text())[1].partition(":")[0]


def linked(page: Path) -> Iterator[Path]:
    """The repository's files that a page links to, pages left out."""
    for address in LINK.findall(page.read_text()):
        path = (page.parent / address).resolve()
        if path.is_file() and path.suffix != ".md":
            yield path


def reference(package: Path, target: Path) -> Nav:
    """Write a page for each module of a package; returns their part of the table of contents."""
    nav: Nav = []
    for path in sorted(package.iterdir()):
        if path.is_dir() and (path / "__init__.py").is_file():
            nav.append({path.name: reference(path, target)})
        elif path.suffix == ".py":
            parts = path.relative_to(LIBRARY.parent).with_suffix("").parts
            name = ".".join(part for part in parts if part != "__init__")
            page = Path(REFERENCE, f"{name}.md")
            (target / page).parent.mkdir(parents=True, exist_ok=True)
            (target / page).write_text(f"---\nsearch:\n  boost: 0.5\n---\n\n::: {name}\n")
            nav.append({parts[-1] if parts[-1] != "__init__" else name: str(page)})
    return nav
