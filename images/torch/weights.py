"""What --weights names, loaded into a detector: what fits, the columns of classes that both know, and a word on all.

A head of another class count is cut anew: the background and classes of the same name keep their columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import checkpoint
import models
import torch
from checkpoint import COUNTER, Checkpoint
from models.base import Detector
from torch import Tensor

from isomer.catalogue import Model
from isomer.dataset.source import some
from isomer.errors import UserError
from isomer.predicting import Names
from isomer.pretrained import Weights
from isomer.progress import say

LEAST_SHARE = 0.1  # of a detector's tensors: what fits less is of something else
SMALLEST = 96  # pixels: a detector that is only looked at


@dataclass(frozen=True)
class Fit:
    """Which of a detector's tensors a file fills: as they are, with other class columns, or not."""

    whole: list[str]
    cut: list[str]
    differing: list[str]  # there under the same name, of another shape
    absent: list[str]
    unused: int  # tensors of the file

    @property
    def total(self) -> int:
        return sum(map(len, (self.whole, self.cut, self.differing, self.absent)))


def load(detector: Detector, weights: Weights, classes: tuple[str, ...]) -> dict[str, Any]:
    """Fill a detector for these classes with the weights of a file; says how many it loaded, cut anew and left out.

    Returns:
        What run.json says of it.

    Raises:
        UserError: the file cannot be read, or nothing of it fits.
    """
    found = checkpoint.read(weights, detector)
    shared = _shared(detector, found, classes)
    fit = _fit(detector, found, shared)
    if len(fit.whole) + len(fit.cut) < LEAST_SHARE * fit.total:
        fitting = f"{len(fit.whole)} of {fit.total} tensors"
        raise UserError(f"{weights.path} fits {detector.name} in {fitting}: {_first(detector, found, fit)}")
    _fill(detector, found, fit, shared)
    kept = [classes[own] for own in sorted(shared)]
    facts = weights.to_json()
    say(f"weights {weights.word} ({weights.path.name}): {_counts(detector, found, fit)}")
    published = weights.published.sha256 if weights.published else None
    if published and not facts["sha256"].startswith(published):
        say(f"{weights.path.name} is not the published file: its sha256 does not begin with {published}")
    if found.columns:
        say(_classes(found, classes, kept))
    counts = {"loaded": len(fit.whole), "cut": len(fit.cut), "new": len(fit.absent) + len(fit.differing)}
    return {**facts, **counts, "unused": fit.unused, "classes_kept": kept}


def as_published(weights: Weights, model: Model) -> tuple[Names, Detector]:
    """A whole pretrained detector as it is, and the classes of its score columns.

    Raises:
        UserError: the file is not one of a whole detector of that model, or does not tell its classes.
    """
    found = checkpoint.read(weights, models.build(model.name, SMALLEST, 1))
    if not found.columns:
        raise UserError(f"{weights.path} holds no detector's head of {model.name}")
    if found.names is None:
        raise UserError(f"{weights.path} has {found.columns} class columns and no names for them: train with it first")
    detector = models.build(model.name, found.size or model.size, len(found.names))
    columns = {column: column for column in range(len(found.names))}
    fit = _fit(detector, found, columns)
    if fit.differing or fit.absent:
        missing = f"{len(fit.differing) + len(fit.absent)} of {fit.total} tensors are missing"
        raise UserError(f"{weights.path} is no whole {model.name}: {missing}; {_first(detector, found, fit)}")
    _fill(detector, found, fit, columns)
    return found.names, detector


def _fit(detector: Detector, found: Checkpoint, shared: dict[int, int]) -> Fit:
    """`shared` are our classes' indices to theirs: a head that has the same ones in the same order is not cut."""
    same = detector.columns == found.columns and shared == {index: index for index in range(detector.classes)}
    own = {name: value for name, value in detector.state_dict().items() if not name.endswith(COUNTER)}
    layers = tuple(f"{layer}." for layer in detector.class_layers())
    fit = Fit([], [], [], [], found.count - sum(name in found.tensors for name in own))
    for name, value in own.items():
        there = found.tensors.get(name)
        if there is None:
            fit.absent.append(name)
        elif name.startswith(layers) and not same and _is_cut(value, there, detector.columns, found.columns):
            fit.cut.append(name)
        elif there.shape == value.shape:
            fit.whole.append(name)
        else:
            fit.differing.append(name)
    return fit


def _is_cut(own: Tensor, there: Tensor, columns: int, columns_there: int) -> bool:
    """Whether two tensors of class layers differ in nothing but their columns."""
    return columns_there > 0 and own.shape[1:] == there.shape[1:] and len(own) * columns_there == len(there) * columns


def _shared(detector: Detector, found: Checkpoint, classes: tuple[str, ...]) -> dict[int, int]:
    """Our classes' indices to theirs, by name; where the file tells none but has as many columns, in their order."""
    if found.names is None:
        return {index: index for index in range(len(classes))} if found.columns == detector.columns else {}
    theirs = {name.casefold(): index for index, name in enumerate(found.names) if name}
    return {own: theirs[name.casefold()] for own, name in enumerate(classes) if name.casefold() in theirs}


@torch.no_grad()
def _fill(detector: Detector, found: Checkpoint, fit: Fit, shared: dict[int, int]) -> None:
    """Copy what fits; of the class layers the columns in `shared`, and the background's."""
    own = detector.state_dict()
    for name in fit.whole:
        own[name].copy_(found.tensors[name])
    if not fit.cut:
        return
    columns = {index + detector.background: there + found.first_column for index, there in shared.items()}
    if detector.background:
        columns[0] = 0
    for name in fit.cut:
        into, there = _by_column(own[name], detector.columns), _by_column(found.tensors[name], found.columns)
        into[:, list(columns)] = there[:, list(columns.values())].to(into.dtype)


def _by_column(tensor: Tensor, columns: int) -> Tensor:
    """[anchors × columns, …] as [anchors, columns, …]."""
    return tensor.view(-1, columns, *tensor.shape[1:])


def _first(detector: Detector, found: Checkpoint, fit: Fit) -> str:
    """The first tensors that differ, with both shapes."""
    missing = {*fit.differing, *fit.absent}
    names = [name for name in detector.state_dict() if name in missing]
    return "; ".join(_difference(detector, found, name) for name in names[:3])


def _difference(detector: Detector, found: Checkpoint, name: str) -> str:
    return f"{name} is {_shape(found.tensors.get(name))} there and {_shape(detector.state_dict()[name])} here"


def _shape(tensor: Tensor | None) -> str:
    return "not" if tensor is None else "×".join(map(str, tensor.shape)) or "one number"


def _counts(detector: Detector, found: Checkpoint, fit: Fit) -> str:
    parts = [f"loaded {len(fit.whole)} of {fit.total} tensors"]
    if fit.cut:
        parts.append(
            f"{len(fit.cut)} of the class head are cut anew ({found.columns} columns there, {detector.columns} here)"
        )
    if fit.differing:
        first = _difference(detector, found, fit.differing[0])
        parts.append(f"{len(fit.differing)} have another shape and are new (from {first})")
    if fit.absent:
        parts.append(f"{len(fit.absent)} are not in the file and are new (from {fit.absent[0]})")
    return "; ".join([*parts, f"{fit.unused} unused"])


def _classes(found: Checkpoint, classes: tuple[str, ...], kept: list[str]) -> str:
    if found.names is None:
        taken = f"taken to be the dataset's {len(classes)}" if kept else f"all {len(classes)} of the dataset are new"
        return f"the file does not say which classes it knows: {taken}"
    known = [name for name in found.names if name]
    new = [name for name in classes if name not in kept]
    if not new and len(known) == len(classes):
        return f"the weights know the dataset's classes: {some(kept, 10)}"
    said = [f"the weights know {len(known)} classes, the dataset has {len(classes)}"]
    return "; ".join(said + [f"kept: {some(kept, 10)}"] * bool(kept) + [f"new: {some(new, 10)}"] * bool(new))
