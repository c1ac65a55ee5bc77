"""How a file of weights fits a detector, tensor by tensor and class by class, and the sentences about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from isomer.dataset.source import some

Shape = tuple[int, ...]
SHOWN_CLASSES = 10


@dataclass(frozen=True)
class Fit:
    """A detector's tensors and a file's, by name, and those of both whose class columns are cut anew."""

    here: Mapping[str, Shape]
    there: Mapping[str, Shape]
    cut: Sequence[str] = ()

    @cached_property
    def whole(self) -> list[str]:
        """Those that the file fills as they are."""
        return [name for name in self.here if self.there.get(name) == self.here[name] and name not in self.cut]

    @cached_property
    def differing(self) -> list[str]:
        """Those that are in the file, of another shape."""
        known = {*self.whole, *self.cut}
        return [name for name in self.here if name in self.there and name not in known]

    @property
    def absent(self) -> list[str]:
        """Those that are not in the file."""
        return [name for name in self.here if name not in self.there]

    @property
    def unused(self) -> list[str]:
        """Those of the file that the detector does not have."""
        return [name for name in self.there if name not in self.here]

    def to_json(self) -> dict[str, int]:
        """What run.json says of it."""
        new = len(self.differing) + len(self.absent)
        return {"loaded": len(self.whole), "cut": len(self.cut), "new": new, "unused": len(self.unused)}

    def sentence(self) -> str:
        """How many tensors were loaded, cut anew and left out."""
        parts = [f"loaded {len(self.whole)} of {len(self.here)} tensors"]
        if self.cut:
            parts.append(f"{len(self.cut)} of the class head are cut anew ({self.first(self.cut, 1)})")
        if self.differing:
            parts.append(f"{len(self.differing)} have another shape and are new ({self.first(self.differing, 1)})")
        if self.absent:
            parts.append(f"{len(self.absent)} are not in the file and are new (from {self.absent[0]})")
        return "; ".join([*parts, f"{len(self.unused)} unused"])

    def first(self, names: Iterable[str], count: int = 3) -> str:
        """The first of some tensors, with both shapes."""
        return "; ".join(
            f"{name} is {_shape(self.there.get(name))} there and {_shape(self.here[name])} here"
            for name in list(names)[:count]
        )


def shared_classes(names: Sequence[str | None] | None, columns: int, classes: Sequence[str]) -> dict[int, int]:
    """Our classes' indices to those of a file's columns: by name, or by place where it has as many and names none."""
    if names is None:
        return {index: index for index in range(len(classes))} if columns == len(classes) else {}
    theirs = {name.casefold(): index for index, name in enumerate(names) if name}
    return {own: theirs[name.casefold()] for own, name in enumerate(classes) if name.casefold() in theirs}


def about_classes(names: Sequence[str | None] | None, classes: Sequence[str], shared: Mapping[int, int]) -> str:
    """What a file knows of a dataset's classes."""
    kept = [classes[own] for own in sorted(shared)]
    if names is None:
        taken = f"taken to be the dataset's {len(classes)}" if kept else f"all {len(classes)} of the dataset are new"
        return f"the file does not say which classes it knows: {taken}"
    known = [name for name in names if name]
    new = [name for name in classes if name not in kept]
    if not new and len(known) == len(classes):
        return f"the weights know the dataset's classes: {some(kept, SHOWN_CLASSES)}"
    said = [f"the weights know {len(known)} classes, the dataset has {len(classes)}"]
    if kept:
        said.append(f"kept: {some(kept, SHOWN_CLASSES)}")
    if new:
        said.append(f"new: {some(new, SHOWN_CLASSES)}")
    return "; ".join(said)


def _shape(shape: Shape | None) -> str:
    return "not" if shape is None else "×".join(map(str, shape)) or "one number"
