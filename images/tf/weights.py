"""What --weights names, loaded into a detector: what fits, the class columns that both know, and a word on all."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensors
from architectures import ARCHITECTURES, Architecture
from model import Core, Task
from recipe import Recipe
from tensors import Tensors

from isomer import coco
from isomer.catalogue import Model
from isomer.errors import UserError
from isomer.fitting import Fit, about_classes, shared_classes
from isomer.predicting import Names
from isomer.pretrained import Weights
from isomer.progress import say

CLASSIFIER = "head/_classifier/"  # what tells classes apart; nothing else knows of them
NO_COLUMNS = f"{CLASSIFIER}depthwise_kernel"  # of it, but the same for all classes


def initialise(core: Core, weights: Weights, classes: tuple[str, ...]) -> dict[str, Any]:
    """Fill a detector for these classes with the weights of a file; says how many it loaded, cut anew and left out.

    Classes of the same name keep their columns.

    Returns:
        What run.json says of it.

    Raises:
        UserError: the file cannot be read, or it is another architecture's.
    """
    there = _read(weights, core.architecture)
    names, columns = _names(there, core.architecture), _columns(there, core.architecture)
    shared = shared_classes(names, columns, classes)
    same = columns == len(classes) and all(own == other for own, other in shared.items()) and len(shared) == columns
    fit = _fit(core, weights, there, same)
    _fill(core, there, fit, shared)
    say(f"weights {weights.word} ({weights.path.name}): {fit.sentence()}")
    if columns:
        say(about_classes(names, classes, shared))
    return {**weights.to_json(), **fit.to_json(), "classes_kept": [classes[own] for own in sorted(shared)]}


def as_published(weights: Weights, model: Model) -> tuple[Names, Core]:
    """A whole pretrained detector as it is, and the classes of its score columns (numbered, where nothing names them).

    Raises:
        UserError: the file cannot be read, or is not one of a whole detector of that model.
    """
    architecture = ARCHITECTURES[model.name]
    there = _read(weights, architecture)
    columns = _columns(there, architecture)
    if not columns:
        raise UserError(f"{weights.path} holds no detector's head of {model.name}")
    core = Core(Task(architecture, there.about.get("size", model.size), columns, Recipe()))
    fit = _fit(core, weights, there, same=True)
    if fit.differing or fit.absent:
        raise UserError(f"{weights.path} is no whole {model.name}: {fit.first([*fit.differing, *fit.absent])}")
    _fill(core, there, fit, {})
    return _names(there, architecture) or tuple(f"class {number}" for number in range(1, columns + 1)), core


def _read(weights: Weights, architecture: Architecture) -> Tensors:
    there = tensors.read(weights.path)
    said = there.about.get("model", architecture.name)
    if said != architecture.name:
        raise UserError(f"{weights.path} holds weights of {said}, not of {architecture.name}: give --model")
    return there


def _fit(core: Core, weights: Weights, there: Tensors, same: bool) -> Fit:
    """`same`: the file tells apart the very classes that the detector does, so that nothing is cut.

    Raises:
        UserError: the backbone is another one; without it nothing above it is of use.
    """
    here = {name: tuple(variable.shape) for name, variable in tensors.variables(core.model).items()}
    shapes = {name: value.shape for name, value in there.values.items()}
    heads = [name for name in here if name.startswith(CLASSIFIER) and name != NO_COLUMNS and not same]
    fit = Fit(here, shapes, [name for name in heads if name in shapes and shapes[name][:-1] == here[name][:-1]])
    wrong = [name for name in here if name.startswith("backbone/") and here[name] != shapes.get(name)]
    if wrong:
        raise UserError(
            f"{weights.path} does not fit {core.architecture.name}: {len(wrong)} tensors of the backbone differ: "
            f"{fit.first(wrong)}"
        )
    return fit


def _fill(core: Core, there: Tensors, fit: Fit, shared: dict[int, int]) -> None:
    """Copy what fits; of the class head the columns in `shared`, ours to theirs, and the background's, which is 0."""
    variables = tensors.variables(core.model)
    for name in fit.whole:
        variables[name].assign(there.values[name])
    ours, theirs = zip((0, 0), *((own + 1, other + 1) for own, other in shared.items()), strict=True)
    for name in fit.cut:
        value = _by_column(variables[name].numpy(), core.architecture)
        value[..., list(ours)] = _by_column(there.values[name], core.architecture)[..., list(theirs)]
        variables[name].assign(value.reshape(variables[name].shape))


def _by_column(value: np.ndarray, architecture: Architecture) -> np.ndarray:
    """[…, anchors × columns] as [anchors, columns] with what is before them."""
    return value.reshape(*value.shape[:-1], architecture.anchors_per_cell, -1)


def _columns(there: Tensors, architecture: Architecture) -> int:
    """How many classes a file tells apart; 0 if it holds no head. The Model Garden's first column is the background."""
    bias = there.values.get(f"{CLASSIFIER}bias")
    return 0 if bias is None else len(bias) // architecture.anchors_per_cell - 1


def _names(there: Tensors, architecture: Architecture) -> Names | None:
    """The classes that a file tells apart, as it says itself, or COCO's if it has as many; else None."""
    if "classes" in there.about:
        return tuple(there.about["classes"])
    return coco.BY_ID if _columns(there, architecture) == len(coco.BY_ID) else None
