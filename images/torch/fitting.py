"""Which tensors of a detector a file of weights fills, under which names, and with which columns of the classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from converting import checkpoint
from models.base import Detector
from torch import Tensor

from isomer import coco
from isomer.predicting import Names

COUNTER = "num_batches_tracked"  # no weight; torchvision's frozen batch norms do not save it
COCO_COLUMNS = len(coco.BY_ID) + 1  # torchvision's: the background, then the ids up to 90


@dataclass(frozen=True)
class Found:
    """A file's tensors, named as in the model they are for, and what its class columns mean.

    columns: of its head, 0 where it has none that the model could have. names: of its classes, None if unknown.
    size: of its input, where the file says it. count: all tensors of the file, counters not among them.
    """

    tensors: dict[str, Tensor]
    columns: int
    names: Names | None
    size: int | None
    count: int

    @property
    def first_column(self) -> int:
        """The column of the first of `names`: 1 behind a background."""
        return self.columns - len(self.names)


@dataclass(frozen=True)
class Fit:
    """A detector's tensors, counters aside: filled as they are, with some columns of the classes only, or not."""

    whole: list[str]
    cut: list[str]
    differing: list[str]  # there under the same name, of another shape
    absent: list[str]
    unused: int  # tensors of the file

    @property
    def total(self) -> int:
        return sum(map(len, (self.whole, self.cut, self.differing, self.absent)))


def read(path: Path, detector: Detector, *, published: bool) -> Found:
    """A file's tensors under the names that they have in this detector, of whatever number of classes.

    Args:
        published: the file is the one that models.toml names.

    Raises:
        UserError: the file cannot be read, would run code, or holds no weights.
    """
    own = detector.state_dict().keys()
    candidates = [
        (weights, named)
        for weights in checkpoint.read(path)
        for named in _named(detector, weights.state, published=published)
    ]
    weights, tensors = max(candidates, key=lambda one: len(own & one[1].keys()))
    columns = _columns(detector, tensors)
    names = _names(weights.classes, columns)
    count = sum(not name.endswith(COUNTER) for name in weights.state)
    return Found(tensors, columns, names, weights.size, count)


def fit(detector: Detector, found: Found, shared: dict[int, int]) -> Fit:
    """`shared` are our classes' indices to theirs: a head that has the same ones in the same order is not cut."""
    own = {name: value for name, value in detector.state_dict().items() if not name.endswith(COUNTER)}
    layers = tuple(f"{layer}." for layer in detector.class_layers())
    same = detector.columns == found.columns and shared == {index: index for index in range(detector.classes)}
    made = Fit([], [], [], [], found.count - sum(name in found.tensors for name in own))
    for name, value in own.items():
        there = found.tensors.get(name)
        if there is None:
            made.absent.append(name)
        elif name.startswith(layers) and not same and _is_cut(value, there, detector.columns, found.columns):
            made.cut.append(name)
        elif there.shape == value.shape:
            made.whole.append(name)
        else:
            made.differing.append(name)
    return made


@torch.no_grad()
def fill(detector: Detector, found: Found, fit: Fit, shared: dict[int, int]) -> None:
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
        into[:, list(columns)] = there[:, list(columns.values())]


def _named(detector: Detector, state: dict[str, Tensor], *, published: bool) -> list[dict[str, Tensor]]:
    """The tensors under the detector's names, in every way they may be meant: without a prefix, of an older version, or
    of a classifier."""
    candidates = []
    for prefix in _prefixes(state):
        bare = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        whole = detector.renamed(bare)
        candidates += [detector.as_published(whole) if published else whole, detector.from_backbone(bare)]
    return candidates


def _prefixes(state: dict[str, Tensor]) -> list[str]:
    """The beginnings of names, up to a dot, that a name may lose (`module.`, `model.`, `net.detector.`): none first."""
    parts = (name.split(".") for name in state)
    found = {".".join(words[:count]) + "." for words in parts for count in (1, 2) if len(words) > count}
    return ["", *sorted(found)]


def _columns(detector: Detector, tensors: dict[str, Tensor]) -> int:
    """The class columns of a head, as its first class layer tells them."""
    layer = f"{detector.class_layers()[0]}.weight"
    if layer not in tensors:
        return 0
    anchors = len(detector.state_dict()[layer]) // detector.columns
    return len(tensors[layer]) // anchors if len(tensors[layer]) % anchors == 0 else 0


def _names(said: tuple[str, ...] | None, columns: int) -> Names | None:
    """The names of so many class columns: as the file says (best.pt does), or COCO's by their number."""
    if said is not None and columns - len(said) in (0, 1):
        return said
    return coco.BY_ID if columns == COCO_COLUMNS else None


def _is_cut(own: Tensor, there: Tensor, columns: int, columns_there: int) -> bool:
    """Whether two tensors of class layers differ in nothing but their columns."""
    return columns_there > 0 and own.shape[1:] == there.shape[1:] and len(own) * columns_there == len(there) * columns


def _by_column(tensor: Tensor, columns: int) -> Tensor:
    """[anchors × columns, …] as [anchors, columns, …]."""
    return tensor.view(-1, columns, *tensor.shape[1:])
