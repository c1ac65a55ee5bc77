"""A detector's first weights, from what --weights means."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensors
from architectures import ARCHITECTURES, Architecture
from model import Core, Task
from recipe import Recipe
from tensors import Tensors

from isomer import coco
from isomer.catalogue import Model
from isomer.errors import UserError
from isomer.pretrained import Weights
from isomer.progress import say

CLASSIFIER = "head/_classifier/"  # what tells classes apart; everything else knows nothing of them
SHOWN = 3  # tensors that differ, in a message

Names = tuple[str | None, ...]
"""What a detector's score columns mean; None is a column without meaning."""


def initialise(core: Core, weights: Weights, classes: tuple[str, ...]) -> dict[str, Any]:
    """Give a detector's variables the values that a file has for them, and say how many it had.

    What tells classes apart is taken only from a file of the same `classes`, as far as it says them.

    Returns:
        What run.json says of it.

    Raises:
        UserError: the file cannot be read, or it is another architecture's.
    """
    return weights.to_json() | _fill(core, weights, tensors.read(weights.path), classes)


def as_published(weights: Weights, model: Model) -> tuple[Names, Core]:
    """A detector as it is in a file, and its classes.

    Raises:
        UserError: the file cannot be read, is another architecture's, or holds no whole detector.
    """
    there = tensors.read(weights.path)
    architecture = ARCHITECTURES[model.name]
    names = _names(weights, there, architecture)
    if names is None:
        raise UserError(f"--weights {weights.word}: {weights.path} holds no whole detector, only a backbone")
    core = Core(Task(architecture, there.about.get("size", model.size), len(names), Recipe()))
    facts = _fill(core, weights, there, names)
    if facts["replaced"] or facts["new"]:
        missing = next(
            name for name, variable in tensors.variables(core.model).items() if not _fits(there, name, variable)
        )
        raise UserError(
            f"--weights {weights.word}: {weights.path} is no whole {model.name}: {missing} is {_shape(there, missing)}"
        )
    return names, core


def _fill(core: Core, weights: Weights, there: Tensors, classes: Names) -> dict[str, int]:
    variables = tensors.variables(core.model)
    _check_backbone(core, weights, there)
    names = _names(weights, there, core.architecture)
    fitting = {name for name, variable in variables.items() if _fits(there, name, variable)}
    loaded = {name for name in fitting if names == tuple(classes) or not name.startswith(CLASSIFIER)}
    for name in loaded:
        variables[name].assign(there.values[name])
    common = variables.keys() & there.values.keys()
    facts = {
        "loaded": len(loaded),
        "replaced": len(common - loaded),
        "new": len(variables.keys() - common),
        "left_out": len(there.values.keys() - common),
    }
    known = 0 if names is None else sum(name is not None for name in names)
    parts = [
        f"{facts['loaded']} tensors loaded",
        f"{facts['replaced']} replaced" + f" (classes: {known} there, {len(classes)} here)" * bool(facts["replaced"]),
        f"{facts['new']} not in the file",
        f"{facts['left_out']} of the file not used",
    ]
    say(f"weights {weights.word} ({weights.path.name}): {', '.join(parts)}")
    return facts


def _check_backbone(core: Core, weights: Weights, there: Tensors) -> None:
    """Raise UserError unless the whole backbone is in the file: without it nothing above it is of use."""
    wrong = [
        f"{name} is {_shape(there, name)} and should be {tuple(variable.shape)}"
        for name, variable in tensors.variables(core.model).items()
        if name.startswith("backbone/") and not _fits(there, name, variable)
    ]
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" * (len(wrong) > SHOWN)
        raise UserError(
            f"--weights {weights.word}: {weights.path} is not of {core.architecture.name}: "
            f"{'; '.join(wrong[:SHOWN])}{more}"
        )


def _names(weights: Weights, there: Tensors, architecture: Architecture) -> Names | None:
    """The classes that a file tells apart, numbered where it does not say them; None where it tells none apart."""
    bias = there.values.get(f"{CLASSIFIER}bias")
    if bias is None:
        return None
    # the background is the Model Garden's first
    count = len(bias) // (architecture.anchor_scales * len(architecture.anchor_ratios)) - 1
    if "classes" in there.about:
        return tuple(there.about["classes"])
    if count == len(coco.BY_ID):
        return coco.BY_ID
    return tuple(f"class {number}" for number in range(1, count + 1))


def _fits(there: Tensors, name: str, variable: tf.Variable) -> bool:
    return name in there.values and there.values[name].shape == variable.shape


def _shape(there: Tensors, name: str) -> str:
    return str(there.values[name].shape) if name in there.values else "not there"
