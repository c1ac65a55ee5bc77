"""Annotation formats that can be imported: one small module each, and this package is the list.

A module gives `NAME` (what `--format` takes), `ACCEPTS` (what it looks for, in words), `evidence(tree)` (a few words
on what was found of it, or None) and `read(tree)`. What understands the text is a pure function from bytes to boxes;
only `read` touches files.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Protocol

from isomer.dataset.formats import folder
from isomer.dataset.source import Reading, SourceBox, Tree
from isomer.errors import UserError, known


class Format(Protocol):
    NAME: str
    ACCEPTS: str

    def evidence(self, tree: Tree) -> str | None: ...

    def read(self, tree: Tree) -> Reading: ...


def formats() -> dict[str, Format]:
    """All formats by name."""
    names = (module.name for module in pkgutil.iter_modules(__path__))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return {module.NAME: module for module in sorted(modules, key=lambda module: module.NAME)}


@dataclass(frozen=True)
class Detected:
    """A format that a folder holds.

    boxes: how many each picture file has in it; lost: those without a picture, no box or repeated. Counted where
    formats compete.
    """

    format: Format
    evidence: str
    reading: Reading
    boxes: dict[str, int] = field(default_factory=dict)
    lost: int = 0

    @property
    def count(self) -> str:
        return f"{sum(self.boxes.values())} boxes of {len(self.boxes)} pictures"


def detect(tree: Tree, name: str | None) -> list[Detected]:
    """The format of a folder, read; where it holds several, all of them, first the one that keeps most boxes.

    Of those that keep as many, the first is the one that loses fewest.

    `name` is what `--format` says: then that one alone.

    Raises:
        UserError: the name is not known; nothing of that format is there; no format fits.
    """
    found = [Detected(one, evidence, one.read(tree)) for one, evidence in _candidates(tree, name).items()]
    if len(found) > 1:
        found = [_counted(tree, one) for one in found]
        found.sort(key=lambda one: (-sum(one.boxes.values()), one.lost, -len(one.boxes), one.format.NAME))
    return found


def choose(tree: Tree, name: str | None) -> tuple[Format, str]:
    """The format of a folder and the evidence for it; see `detect`."""
    chosen = detect(tree, name)[0]
    return chosen.format, chosen.evidence


def _candidates(tree: Tree, name: str | None) -> dict[Format, str]:
    """Formats with evidence, in the order of their names."""
    all_formats = formats()
    if name is not None and name not in all_formats:
        raise known("format", name, all_formats)
    # whatever has pictures is a folder of pictures: that is taken when asked for, or when it can be nothing else
    chosen = [one for one in all_formats.values() if (one is not folder if name is None else one.NAME == name)]
    if name is None and folder.is_alone(tree):
        chosen = [folder]
    found = {one: evidence for one in chosen if (evidence := one.evidence(tree))}
    if found:
        return found
    if name is not None:
        raise UserError(
            f"--format {name}: nothing of it under {tree.name} ({tree.describe()}); it would be {chosen[0].ACCEPTS}"
        )
    accepted = "".join(f"\n  {key}: {one.ACCEPTS}" for key, one in all_formats.items())
    raise UserError(f"no known annotations under {tree.name} ({tree.describe()}). Known formats:{accepted}")


def _counted(tree: Tree, one: Detected) -> Detected:
    """With its boxes counted; one that several annotation files repeat counts once."""
    boxes: defaultdict[str, set[SourceBox]] = defaultdict(set)
    read = sum(item.boxes for item in one.reading.left_out)
    for item in one.reading.pictures:
        read += len(item.boxes)
        nearest = tree.find_picture(item)
        if len(nearest) == 1 and item.boxes:
            boxes[nearest[0]].update(item.boxes)
    counts = {path: len(found) for path, found in boxes.items()}
    return replace(one, boxes=counts, lost=read - sum(counts.values()))
