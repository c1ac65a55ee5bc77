"""What all exports share: splits that there are, names that stay apart without a suffix, pictures put in place."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from isomer.dataset.canonical import SPLITS, Box, Dataset, Picture, Split

Put = Callable[[Path, Path], None]
"""Puts the picture of the first path at the second, whose folder is there."""


def to_export(dataset: Dataset) -> list[Split]:
    """The splits that have pictures."""
    counts = dataset.about["splits"]
    return [dataset.split(name) for name in SPLITS if counts.get(name, {}).get("images")]


def copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def link_or_copy(source: Path, target: Path) -> None:
    with contextlib.suppress(OSError):  # another file system, or one without hard links
        target.hardlink_to(source.resolve())
        return
    copy(source, target)


def stems(pictures: Iterable[Picture], *, space: str = " ") -> dict[str, str]:
    """A name without suffix for each picture file, its own where no other has it: what annotations are called by.

    space: stands for each space in a name.
    """
    taken: set[str] = set()
    names = {}
    for picture in pictures:
        path = PurePosixPath(picture.file_name)
        own = "_".join((*path.parts[:-1], path.stem)).replace(" ", space)
        stem = next(
            name
            for name in (own, *(f"{own}_{number}" for number in range(2, len(taken) + 3)))
            if name.casefold() not in taken
        )
        taken.add(stem.casefold())
        names[picture.file_name] = stem
    return names


def suffix(picture: Picture) -> str:
    return PurePosixPath(picture.file_name).suffix


def corners(box: Box) -> tuple[float, float, float, float]:
    """xmin, ymin, xmax, ymax."""
    return box.x, box.y, box.x + box.width, box.y + box.height


def folder_for(*parts: Path | str) -> Path:
    """The folder, made."""
    folder = Path(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
