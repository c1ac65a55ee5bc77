"""What a source's module hands to the import: a folder of annotations and pictures, or an archive."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isomer import files
from isomer.dataset.download.parallel import Pictures
from isomer.dataset.source import LeftOut, Reading

LAID_OUT = ".laid-out"  # in the folder of downloads, for as long as it is imported


@dataclass
class Request:
    """What the user asked of a source. classes, split: as typed; sha256: of an archive."""

    classes: str | None = None
    split: str | None = None
    limit: int | None = None
    jobs: int = 1
    sha256: str | None = None


@dataclass
class Fetched:
    """What to import, and what is known of it beside that.

    path: a folder or an archive. name: of the source, in words. shares, classes, limit: what is left to the import.
    attribution: licence and author of pictures by their paths in the folder. urls: the files that were read.
    """

    path: Path
    name: str
    urls: tuple[str, ...]
    format_name: str | None = None
    reading: Reading | None = None
    shares: str | None = None
    classes: str | None = None
    limit: int | None = None
    attribution: dict[str, dict[str, str]] = field(default_factory=dict)

    def about(self, request: Request) -> dict[str, Any]:
        """What dataset.json says of where it is from."""
        asked = {"classes": request.classes, "split": request.split, "limit": request.limit}
        return {"source": self.name, "download": {"urls": list(self.urls), **asked}}


@contextmanager
def laid_out(cache: Path, name: str) -> Iterator[Path]:
    """A folder for one import, on the disk of the files that it links to; what a killed one left is removed."""
    folder = cache / LAID_OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with files.replacing_folder(folder) as temporary:
            yield temporary
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # another import may be at its own
            folder.parent.rmdir()


def lay_out(folder: Path, found: Pictures) -> None:
    """Give pictures their names in a folder."""
    for name, place in found.places.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(place, folder / name)


def link_or_copy(place: Path, target: Path) -> None:
    """Give a file a second name, or where the disk has no hard links a copy."""
    try:
        target.hardlink_to(place)
    except OSError:
        shutil.copyfile(place, target)


def not_fetched(found: Pictures, boxes: dict[str, int]) -> list[LeftOut]:
    """The pictures that could not be had, for the account; `boxes` are how many each has."""
    return [LeftOut("picture", f"whose host {why}", name, boxes[name]) for name, why in found.problems.items()]
