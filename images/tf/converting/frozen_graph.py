"""A frozen graph under the names that `laid_out` knows: its input and outputs as numbered tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from converting.graphs import NMS, split
from converting.original import Original, Port
from converting.tensor import Tensor

TYPES = ("float32", "uint8")


class FrozenGraph:
    """One picture at a time, by TensorFlow. Tensor 0 is the input, those behind it are the outputs."""

    def __init__(self, original: Original, name: str) -> None:
        self.name = name
        self._original = original
        self._ports = (original.input, *original.outputs)
        self.tensors = {number: _tensor(number, one) for number, one in enumerate(self._ports)}

    @property
    def inputs(self) -> list[Tensor]:
        return [self.tensors[0]]

    @property
    def outputs(self) -> list[Tensor]:
        return [self.tensors[number] for number in range(1, len(self._ports))]

    def labels(self) -> tuple[str, ...] | None:
        """No graph holds names."""

    def run(self, picture: np.ndarray, wanted: Sequence[int]) -> list[np.ndarray]:
        """Values of tensors for the input's values, [1, …] in its own type."""
        return self._original.values([self.tensor(number) for number in wanted], {self.tensor(0): picture})

    def tensor(self, number: int) -> str:
        """The name in the graph."""
        return self._ports[number].tensor


def may_be_raw(original: Original) -> bool:
    """Whether its outputs may be what a client decodes: of pictures of one size, with no NMS before them."""
    taken = original.input
    is_picture = taken.dtype in TYPES and taken.shape is not None and len(taken.shape) == 4
    before = original.graph.before([split(one.tensor)[0] for one in original.outputs])
    has_nms = any(original.graph.operators(name) & NMS for name in before)
    return bool(is_picture and original.height and original.width and not has_nms)


def _tensor(number: int, port: Port) -> Tensor:
    sides = port.shape or ()
    shape = tuple(1 if side is None else side for side in sides)
    return Tensor(number, port.name, port.dtype, shape, tuple(-1 if side is None else side for side in sides), 0.0, 0)
