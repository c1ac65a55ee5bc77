"""Small graphs that make boxes and scores of a detector's raw outputs, for models that leave that to their client.

Each layout is declared by a `Layout`; what a layout's numbers mean is said once, there. All boxes come out as ymin,
xmin, ymax, xmax, fractions of the model's input.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper

from isomer.graph.assemble import CORE_BOXES, CORE_SCORES
from isomer.graph.builder import GraphBuilder

PREFIX = "decode"
CENTER_VARIANCE, SIZE_VARIANCE = 0.1, 0.2  # of SSD, https://arxiv.org/abs/1512.02325


@dataclass(frozen=True)
class Layout:
    """What a graph's raw outputs mean.

    Attributes:
        outputs: names: one tensor with boxes and scores, or several for boxes and then as many for scores (the parts of
            a pyramid, put one behind the other).
        boxes: how four numbers are a box: "yxyx", "xyxy", "xywh", "cxcywh" as they stand; "grid" as YOLOX's offsets
            from a cell and logarithms; "distances" as NanoDet's distributions over distances from a cell's centre;
            "priors" as SSD's offsets from anchors.
        unit: "fraction" or "pixel", of the input.
        classes: columns of scores without a background.
        anchors_last: the tensor is [batch, columns, anchors].
        first_box, first_score: columns, of one tensor with both.
        objectness: column of what all class scores are multiplied by, as YOLOv5 and YOLOX have it; None without.
        activation: what makes probabilities of the scores: "none", "sigmoid" or "softmax".
        background: "none", "first" or "last" column of the scores, left out after the activation.
        cells: for "grid" and "distances" [A, 3], each anchor's x, y and stride in pixels.
        bins: for "distances", values of a distribution.
        anchors: for "priors" [A, 4], cx, cy, w, h as fractions.
    """

    outputs: tuple[str, ...]
    boxes: str
    unit: str
    classes: int
    anchors_last: bool = False
    first_box: int = 0
    first_score: int = 4
    objectness: int | None = None
    activation: str = "none"
    background: str = "none"
    cells: np.ndarray | None = None
    bins: int = 0
    anchors: np.ndarray | None = None

    @property
    def box_columns(self) -> int:
        return 4 * self.bins if self.boxes == "distances" else 4


def grid(height: int, width: int, strides: tuple[int, ...], shift: float = 0.0) -> np.ndarray:
    """The cells of a pyramid, float32 [A, 3]: x, y of a cell (moved by `shift` cells) and stride, in pixels; by stride,
    row and column. A side that a stride does not divide has one cell more."""
    parts = []
    for stride in strides:
        rows, columns = -(-height // stride), -(-width // stride)
        y, x = np.meshgrid(np.arange(rows) + shift, np.arange(columns) + shift, indexing="ij")
        parts.append(np.stack([x.ravel() * stride, y.ravel() * stride, np.full(rows * columns, stride)], axis=1))
    return np.concatenate(parts).astype(np.float32)


def build(layout: Layout, height: int, width: int) -> onnx.GraphProto:
    """A graph from a model's raw outputs, float32 under their own names, to a core's `boxes` and `scores`.

    Args:
        height: of the model's input; 1 where boxes are fractions and the size is open.
        width: likewise.
    """
    build = GraphBuilder(PREFIX)
    numbers, scores, objectness = _parts(build, layout)
    corners = _corners(build, layout, numbers, height, width)
    if layout.unit == "pixel":
        corners = build.op("Div", corners, build.floats(height, width, height, width))
    build.op("Identity", corners, output=CORE_BOXES)

    if layout.activation == "softmax":
        scores = build.op("Softmax", scores, axis=2)
    elif layout.activation == "sigmoid":
        scores = build.op("Sigmoid", scores)
    first = int(layout.background == "first")
    if layout.background != "none":
        scores = _columns(build, scores, first, first + layout.classes)
    if objectness is not None:
        scores = build.op("Mul", scores, objectness)
    build.op("Identity", scores, output=CORE_SCORES)
    value = helper.make_tensor_value_info
    return build.graph(
        [value(name, TensorProto.FLOAT, None) for name in layout.outputs],
        [
            value(CORE_BOXES, TensorProto.FLOAT, ["batch", "anchors", 4]),
            value(CORE_SCORES, TensorProto.FLOAT, ["batch", "anchors", layout.classes]),
        ],
    )


def _parts(build: GraphBuilder, layout: Layout) -> tuple[str, str, str | None]:
    """The numbers of the boxes, the scores with their background, and what multiplies them; each [batch, A, …]."""
    columns = layout.classes + (layout.background != "none")
    if len(layout.outputs) == 1:
        (both,) = layout.outputs
        if layout.anchors_last:
            both = build.op("Transpose", both, perm=[0, 2, 1])
        numbers = _columns(build, both, layout.first_box, layout.first_box + layout.box_columns)
        scores = _columns(build, both, layout.first_score, layout.first_score + columns)
        place = layout.objectness
        return numbers, scores, None if place is None else _columns(build, both, place, place + 1)
    half = len(layout.outputs) // 2
    numbers, scores = (
        build.op("Concat", *names, axis=2 if layout.anchors_last else 1) if len(names) > 1 else names[0]
        for names in (layout.outputs[:half], layout.outputs[half:])
    )
    if layout.anchors_last:
        numbers, scores = (build.op("Transpose", name, perm=[0, 2, 1]) for name in (numbers, scores))
    # [batch, A, 1, 4] and the like
    numbers = build.op("Reshape", numbers, build.ints(0, -1, layout.box_columns))
    return numbers, build.op("Reshape", scores, build.ints(0, -1, columns)), None


def _corners(build: GraphBuilder, layout: Layout, numbers: str, height: int, width: int) -> str:
    """The boxes [batch, A, 4] as ymin, xmin, ymax, xmax in the layout's unit."""
    if layout.boxes == "yxyx":
        return numbers
    if layout.boxes == "xyxy":
        return build.op("Gather", numbers, build.ints(1, 0, 3, 2), axis=2)
    if layout.boxes == "distances":
        return _from_distances(build, layout, numbers)
    first, second = _columns(build, numbers, 0, 2), _columns(build, numbers, 2, 4)
    if layout.boxes == "grid":
        assert layout.cells is not None
        stride = build.constant("stride", layout.cells[:, 2:])
        first = build.op("Add", build.op("Mul", first, stride), build.constant("cells", layout.cells[:, :2]))
        second = build.op("Mul", build.op("Exp", second), stride)
    elif layout.boxes == "priors":
        assert layout.anchors is not None
        sizes = build.constant("sizes", layout.anchors[:, 2:])
        step = build.op("Mul", first, build.constant("steps", layout.anchors[:, 2:] * np.float32(CENTER_VARIANCE)))
        first = build.op("Add", step, build.constant("centres", layout.anchors[:, :2]))
        second = build.op("Mul", build.op("Exp", build.op("Mul", second, build.floats(SIZE_VARIANCE))), sizes)
    if layout.boxes != "xywh":
        first = build.op("Sub", first, build.op("Mul", second, build.floats(0.5)))
    both = build.op("Concat", first, build.op("Add", first, second), axis=2)
    return build.op("Gather", both, build.ints(1, 0, 3, 2), axis=2)


def _from_distances(build: GraphBuilder, layout: Layout, numbers: str) -> str:
    """Generalized Focal Loss's boxes, https://arxiv.org/abs/2006.04388: left, top, right and bottom are each the mean
    of a distribution over 0, 1, … strides."""
    assert layout.cells is not None
    bins = build.op("Reshape", numbers, build.ints(0, -1, 4, layout.bins))
    weights = build.constant("bins", np.arange(layout.bins, dtype=np.float32).reshape(-1, 1))
    means = build.op("MatMul", build.op("Softmax", bins, axis=3), weights)
    distances = build.op("Reshape", means, build.ints(0, -1, 4))
    distances = build.op("Mul", distances, build.constant("stride", layout.cells[:, 2:]))
    signed = build.op("Mul", distances, build.floats(-1, -1, 1, 1))
    corners = build.op("Add", signed, build.constant("cells", np.tile(layout.cells[:, :2], 2)))
    return build.op("Gather", corners, build.ints(1, 0, 3, 2), axis=2)


def _columns(build: GraphBuilder, tensor: str, first: int, last: int) -> str:
    return build.op("Slice", tensor, build.ints(first), build.ints(last), build.ints(2))
