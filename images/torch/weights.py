"""What --weights names, loaded into a detector, with a word on all that was loaded and all that was not.

A head of another class count is cut anew: the background and classes of the same name keep their columns.
"""

from __future__ import annotations

from typing import Any

import fitting
import models
from fitting import Fit, Found
from models.base import Detector
from torch import Tensor

from isomer.catalogue import Model
from isomer.errors import UserError
from isomer.fitting import about_classes, shared_classes
from isomer.predicting import Names
from isomer.pretrained import Weights
from isomer.progress import say

LEAST_SHARE = 0.1  # of a detector's tensors: what fits less is of something else
SMALLEST = 96  # pixels: a detector that is only looked at
SHOWN = 3  # tensors that differ, in a message


def load(detector: Detector, weights: Weights, classes: tuple[str, ...]) -> dict[str, Any]:
    """Fill a detector for these classes with the weights of a file; says how many it loaded, cut anew and left out.

    Returns:
        What run.json says of it.

    Raises:
        UserError: the file cannot be read, or nothing of it fits.
    """
    found = fitting.read(weights.path, detector, published=weights.published is not None)
    shared = shared_classes(found.names, found.columns - detector.background, classes)
    fit = fitting.fit(detector, found, shared)
    if len(fit.whole) + len(fit.cut) < LEAST_SHARE * fit.total:
        alike = f"{len(fit.whole)} of {fit.total} tensors"
        raise UserError(f"{weights.path} fits {detector.name} in {alike}: {_differences(detector, found, fit)}")
    fitting.fill(detector, found, fit, shared)
    facts = weights.to_json()
    kept = [classes[index] for index in sorted(shared)]
    say(f"weights {weights.word} ({weights.path.name}): {_counts(detector, found, fit)}")
    published = weights.published.sha256 if weights.published else None
    if published and not facts["sha256"].startswith(published):
        say(f"{weights.path.name} is not the published file: its sha256 does not begin with {published}")
    if found.columns:
        say(about_classes(found.names, classes, shared))
    counts = {"loaded": len(fit.whole), "cut": len(fit.cut), "new": len(fit.absent) + len(fit.differing)}
    return {**facts, **counts, "unused": fit.unused, "classes_kept": kept}


def as_published(weights: Weights, model: Model) -> tuple[Names, Detector]:
    """A whole pretrained detector as it is, and the classes of its score columns.

    Raises:
        UserError: the file is not one of a whole detector of that model, or does not tell its classes.
    """
    probe = models.build(model.name, SMALLEST, 1)
    found = fitting.read(weights.path, probe, published=weights.published is not None)
    if not found.columns:
        raise UserError(f"{weights.path} is no whole {model.name}: {probe.class_layers()[0]} is missing")
    if found.names is None:
        raise UserError(
            f"{weights.path} has {found.columns} class columns and no names for them: only COCO's "
            f"{fitting.COCO_COLUMNS} are known by their number, and those that a run's best.pt names"
        )
    detector = models.build(model.name, found.size or model.size, len(found.names))
    columns = {column: column for column in range(len(found.names))}
    fit = fitting.fit(detector, found, columns)
    missing = len(fit.differing) + len(fit.absent)
    if missing:
        raise UserError(
            f"{weights.path} is no whole {model.name}: {missing} of {fit.total} tensors are missing; "
            f"{_differences(detector, found, fit)}"
        )
    fitting.fill(detector, found, fit, columns)
    return found.names, detector


def _counts(detector: Detector, found: Found, fit: Fit) -> str:
    parts = [f"loaded {len(fit.whole)} of {fit.total} tensors"]
    if fit.cut:
        columns = f"{found.columns} columns there, {detector.columns} here"
        parts.append(f"{len(fit.cut)} of the class head are cut anew ({columns})")
    if fit.differing:
        first = _difference(detector, found, fit.differing[0])
        parts.append(f"{len(fit.differing)} have another shape and are new (from {first})")
    if fit.absent:
        parts.append(f"{len(fit.absent)} are not in the file and are new (from {fit.absent[0]})")
    return "; ".join([*parts, f"{fit.unused} unused"])


def _differences(detector: Detector, found: Found, fit: Fit) -> str:
    """The first tensors that differ, with both shapes."""
    missing = {*fit.differing, *fit.absent}
    names = [name for name in detector.state_dict() if name in missing]
    return "; ".join(_difference(detector, found, name) for name in names[:SHOWN])


def _difference(detector: Detector, found: Found, name: str) -> str:
    return f"{name} is {_shape(found.tensors.get(name))} there and {_shape(detector.state_dict()[name])} here"


def _shape(tensor: Tensor | None) -> str:
    return "not" if tensor is None else "×".join(map(str, tensor.shape)) or "one number"
