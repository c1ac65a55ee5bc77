"""A file of weights as it was found: its tensors under the names of a model here, and the classes it knows.

Files come as a plain state dict, as {"model": …} (torchvision's own training), as Lightning's {"state_dict": …}, and as
this project's best.pt, each perhaps under a prefix (`module.`, `model.`, `detector.` …).
"""

from __future__ import annotations

import argparse
import pathlib
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric.utilities.data import AttributeDict
from models.base import Detector
from torch import Tensor

from isomer import coco
from isomer.errors import UserError
from isomer.predicting import Names
from isomer.pretrained import Weights

HOLDERS = ("detector", "state_dict", "model_state_dict", "model")  # what the weights are kept under
# What checkpoints hold beside tensors: settings and figures, which can do nothing when they are read.
HARMLESS = (
    argparse.Namespace,
    AttributeDict,
    pathlib.PosixPath,
    np.dtype,
    np._core.multiarray.scalar,
    *(type(np.dtype(name)) for name in ("float32", "float64", "int32", "int64")),
)
COUNTER = "num_batches_tracked"  # no weight; torchvision's frozen batch norms do not save it
COCO_COLUMNS = len(coco.BY_ID) + 1  # torchvision's: the background, then the ids up to 90


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of a file, named as in the model they are for; `names` are those of its classes, None if unknown.

    `columns` are the class columns of its head, 0 where it has none that the model could have.
    """

    tensors: dict[str, Tensor]
    names: Names | None
    columns: int
    size: int | None  # its input's, where the file says it
    count: int  # of tensors in the file, COUNTER not among them

    @property
    def first_column(self) -> int:
        """The column of the first of `names`: 1 behind a background."""
        return self.columns - len(self.names)


def read(weights: Weights, detector: Detector) -> Checkpoint:
    """The file's tensors under the names that they have in this detector, of whatever number of classes.

    Raises:
        UserError: the file cannot be read, holds no tensors, or says that it is of another model.
    """
    found = _load(weights.path)
    if found.get("model") != detector.name and isinstance(found.get("model"), str):
        raise UserError(f"{weights.path} holds weights of {found['model']}, not of {detector.name}: give --model")
    there = _tensors(weights.path, found)
    tensors = _named_for(detector, there, published=weights.published is not None)
    columns = _columns(detector, tensors)
    names = _names(found.get("classes"), columns)
    count = sum(not name.endswith(COUNTER) for name in there)
    return Checkpoint(tensors, names, columns, found.get("size") if names else None, count)


def _names(said: Any, columns: int) -> Names | None:
    """The names of so many class columns: as the file says (`classes` of best.pt), or COCO's by their number."""
    if isinstance(said, list) and columns - len(said) in (0, 1):
        return tuple(said)
    return coco.BY_ID if columns == COCO_COLUMNS else None


def _load(path: Path) -> dict[str, Any]:
    try:
        with torch.serialization.safe_globals(list(HARMLESS)):
            found = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        first = str(error).strip().partition("\n")[0]
        raise UserError(
            f"{path} cannot be read as weights ({first}). A file is needed that torch.load(weights_only=True) reads: "
            "save model.state_dict(), not the model"
        ) from None
    if not isinstance(found, Mapping):
        raise UserError(f"{path} holds a {type(found).__name__}, not weights by name")
    return dict(found)


def _tensors(path: Path, found: dict[str, Any]) -> dict[str, Tensor]:
    held = next((found[key] for key in HOLDERS if isinstance(found.get(key), Mapping)), found)
    tensors = {str(name): value for name, value in held.items() if isinstance(value, Tensor)}
    if not tensors:
        raise UserError(f"{path} holds no weights: its entries are {', '.join(map(str, list(held)[:8]))}")
    return tensors


def _named_for(detector: Detector, tensors: dict[str, Tensor], *, published: bool) -> dict[str, Tensor]:
    """The tensors under the detector's names: without a prefix, of an older version, or of a classifier."""
    own = detector.state_dict().keys()
    candidates = []
    for prefix in _prefixes(tensors):
        bare = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        whole = detector.renamed(bare)
        candidates.append(detector.as_published(whole) if published else whole)
        candidates.append(detector.from_backbone(bare))
    return max(candidates, key=lambda named: len(own & named.keys()))


def _prefixes(tensors: dict[str, Tensor]) -> list[str]:
    """The beginnings of names, up to a dot, that a name may lose: none first."""
    parts = (name.split(".") for name in tensors)
    found = {".".join(words[:count]) + "." for words in parts for count in (1, 2) if len(words) > count}
    return ["", *sorted(found)]


def _columns(detector: Detector, tensors: dict[str, Tensor]) -> int:
    """The class columns of a head, as its first class layer tells them."""
    layer = f"{detector.class_layers()[0]}.weight"
    if layer not in tensors:
        return 0
    anchors = len(detector.state_dict()[layer]) // detector.columns
    return len(tensors[layer]) // anchors if len(tensors[layer]) % anchors == 0 else 0
