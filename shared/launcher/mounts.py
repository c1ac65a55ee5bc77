"""What a container sees of this machine: the data volume, and what a step reads or writes outside it."""

from __future__ import annotations

from pathlib import Path

from launcher import project
from launcher.step import Among, Output, Step

CODE = Path("/opt/isomer")  # the repository's place in an image
DATA = Path("/data")
VENV = Path("/opt/venv")
WEB = "/opt/web"  # where images/onnx/Dockerfile puts what browsers run models with
# A file of these is mounted with its folder: it names pictures that lie beside it.
ANNOTATION_SUFFIXES = (".json", ".xml", ".csv", ".yaml", ".yml", ".data", ".txt")
# Paths that a step must not have covered by what it is given to read
NEEDED = (DATA, CODE, VENV, Path("/usr/bin"), Path("/etc"), Path("/tmp"), Path("/proc"))


def of(step: Step) -> dict[Path, bool]:
    """The paths outside the volume that must be mounted for a step, and whether it writes there."""
    # what is both read and written is written
    found = dict.fromkeys(map(_mounted, step.reads()), False) | dict.fromkeys(map(_mounted, step.writes()), True)
    root = project.volume().root
    return {path: writes for path, writes in found.items() if not path.is_relative_to(root)}


def inside(path: Path) -> Path:
    """Where a step sees a path that it is given to read: the same place, unless that hides what the step needs."""
    hidden = any(needed.is_relative_to(path) for needed in NEEDED)
    if hidden or path.is_relative_to(DATA) or path.is_relative_to(CODE) or path.is_relative_to("/proc"):
        return Path("/mnt") / (path.name or "root")
    return path


def seen(item: str | Path) -> str:
    """A word of a step's command line, with a path as the step sees it."""
    if not isinstance(item, Path):
        return item
    root = project.volume().root
    if item.is_relative_to(root):
        return str(DATA / item.relative_to(root))
    return str(inside(_mounted(item)) / item.relative_to(_mounted(item)))


def _mounted(path: Path) -> Path:
    """What is mounted so that a step sees a path: the folder of what it writes, and of a file that is not alone."""
    names_pictures = path.suffix.lower() in ANNOTATION_SUFFIXES and path.is_file()
    return path.parent if isinstance(path, (Output, Among)) or names_pictures else path
