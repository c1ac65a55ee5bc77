"""Formats that a dataset can be exported to: one small module each, and this package is the list.

A module gives `NAME` (what `--format` takes), `WRITES` (what comes out, in words), `KEEPS_CROWDS` (whether it can say
that a box is around a crowd) and `write(splits, folder, put)`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from isomer import files
from isomer.dataset.canonical import Dataset, Split
from isomer.dataset.exports.layout import Put, copy, link_or_copy, to_export
from isomer.errors import UserError


class Format(Protocol):
    NAME: str
    WRITES: str
    KEEPS_CROWDS: bool

    def write(self, splits: Sequence[Split], folder: Path, put: Put) -> None: ...


def formats() -> dict[str, Format]:
    """All formats by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return {module.NAME: module for module in modules if hasattr(module, "NAME")}


def export(dataset: Dataset, format_name: str, folder: Path, *, link: bool) -> list[str]:
    """Write a dataset into `folder`, which is replaced when all is written; returns what the format could not keep.

    Raises:
        UserError: the dataset has no picture.
    """
    chosen = formats()[format_name]
    splits = to_export(dataset)
    if not splits:
        raise UserError(f"dataset {dataset.name!r} has no picture to export")
    with files.replacing_folder(folder) as temporary:
        chosen.write(splits, temporary, link_or_copy if link else copy)
    crowds = sum(box.crowd for split in splits for picture in split.pictures for box in picture.boxes)
    return [f"{crowds} boxes around crowds became boxes like others"] if crowds and not chosen.KEEPS_CROWDS else []
