"""`./inv doctor`: what a verb would use on this machine, and what is missing."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path
from types import ModuleType

from launcher import engines, project
from launcher.verbs import Parsed

# Unpacked, with what is downloaded for them: measured, rounded up
NEEDED_GB = {"docker": 40, "venv": 15}


def run(given: Parsed) -> None:
    from rich.console import Console
    from rich.table import Table

    engine = engines.choose(given.flags.engine)
    table = Table(show_header=False)
    for row in facts(engine):
        table.add_row(*row)
    Console().print(table)
    for sentence in wanting(engine):
        print(f"warning: {sentence}")


def facts(engine: ModuleType) -> list[tuple[str, str]]:
    """What there is, as pairs of a heading and words."""
    others = [engines.load(name) for name in engines.NAMES if name != engine.NAME]
    revision, dirty = project.git_state()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return [
        ("engine", f"{engine.NAME}: {engine.version()}"),
        *((f"engine {other.NAME}", other.unavailable() or "can be used, too") for other in others),
        ("GPU", engine.gpu() or "none: training and export on the CPU"),
        ("computer", f"{len(os.sched_getaffinity(0))} cores, {memory:.0f} GB memory, {platform.machine()}"),
        ("data volume", f"{project.volume().root}, {_free(project.volume().root):.0f} GB free"),
        (f"disk of the {engine.NAME} engine", f"{engine.place()}, {_free(engine.place()):.0f} GB free"),
        *((f"image {name}", engine.describe(name)) for name in project.images()),
        ("base image", os.environ.get("ISOMER_BASE_IMAGE") or "as the Dockerfiles say"),
        ("revision", f"{revision}{', changed since' if dirty == 'true' else ''}"),
    ]


def wanting(engine: ModuleType) -> list[str]:
    """What will go wrong, as sentences."""
    found = []
    missing = [name for name in project.images() if not engine.is_ready(name)]
    free = _free(engine.place())
    if missing and free < NEEDED_GB[engine.NAME]:
        found.append(
            f"{', '.join(missing)} must be made yet and may need {NEEDED_GB[engine.NAME]} GB; {free:.0f} GB are free"
        )
    if not os.access(_nearest(project.volume().root), os.W_OK):
        found.append(f"the data volume {project.volume().root} cannot be written; set ISOMER_DATA")
    return found


def _free(path: Path) -> float:
    return shutil.disk_usage(_nearest(path)).free / 1e9


def _nearest(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return path if path.exists() else _nearest(path.parent)
