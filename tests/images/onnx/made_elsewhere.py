"""Detectors as other projects export them: small graphs with the real layouts, that find coloured squares.

Each looks at the mean colour of every cell of a pyramid: a red cell is of class 0, a green one of 1, a blue one of 2.
The box is the cell. What they find is known without running anything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper

from isomer.graph.builder import GraphBuilder

SIDE = 64
STRIDES = (8, 16, 32)
COLOURS = 3


@dataclass
class Cells:
    """A graph that has looked at the cells: scores [batch, N, 3], from 0 to 1, and where they are.

    places: float32 [N, 3], each cell's column, row and stride.
    """

    build: GraphBuilder
    scores: str
    places: np.ndarray
    zeros: str  # [batch, N, 1]

    def constant(self, values: np.ndarray) -> str:
        """Numbers of the cells [N, n] as [batch, N, n]."""
        name = self.build.constant(f"c{len(self.build.initializers)}", values.astype(np.float32)[None])
        return self.build.op("Add", name, self.zeros)

    def centres(self) -> np.ndarray:
        """cx, cy, w, h in pixels [N, 4]."""
        x, y, stride = self.places.T
        return np.stack([(x + 0.5) * stride, (y + 0.5) * stride, stride, stride], axis=1)

    def corners(self) -> np.ndarray:
        """x1, y1, x2, y2 in pixels [N, 4]."""
        x, y, stride = self.places.T
        return np.stack([x * stride, y * stride, (x + 1) * stride, (y + 1) * stride], axis=1)


def look(
    least: float,
    most: float,
    layout: str = "NCHW",
    colours: str = "rgb",
    dtype: int = TensorProto.FLOAT,
    mean: np.ndarray | float = 0.0,
    std: np.ndarray | float = 1.0,
) -> Cells:
    """The beginning of a detector that is given (pixel - mean) / std of pixels from `least` (black) to `most` (white).

    mean and std are in the order of RGB.
    """
    build = GraphBuilder("g")
    x = "images"
    if dtype != TensorProto.FLOAT:
        x = build.op("Cast", x, to=TensorProto.FLOAT)
    if layout == "NHWC":
        x = build.op("Transpose", x, perm=[0, 3, 1, 2])
    # a pure colour gives 1, grey and others less than 0
    weights = (2 * np.eye(3) - 1) / (most - least)
    bias = build.constant("bias", (weights * (mean - np.float64(least))).sum(axis=1).astype(np.float32))
    weights = weights * std
    kernel = np.ascontiguousarray(weights[:, ::-1] if colours == "bgr" else weights)
    x = build.op("Conv", x, build.constant("kernel", kernel[:, :, None, None].astype(np.float32)), bias)
    scores, places = [], []
    for stride in STRIDES:
        means = build.op("AveragePool", x, kernel_shape=[stride, stride], strides=[stride, stride])
        cells = SIDE // stride
        flat = build.op("Reshape", means, build.ints(1, COLOURS, cells * cells))
        scores.append(build.op("Transpose", flat, perm=[0, 2, 1]))
        rows, columns = np.divmod(np.arange(cells * cells), cells)
        places.append(np.stack([columns, rows, np.full(len(rows), stride)], axis=1))
    raw = build.op("Concat", *scores, axis=1)
    # 0.9 for a cell of a pure colour, 0.1 and less for all others
    probability = build.op("Sigmoid", build.op("Sub", build.op("Mul", raw, build.floats(4.4)), build.floats(2.2)))
    zeros = build.op("Mul", build.op("Slice", raw, build.ints(0), build.ints(1), build.ints(2)), build.floats(0))
    return Cells(build, probability, np.concatenate(places), zeros)


def model(
    cells: Cells,
    outputs: dict[str, tuple[str, int]],
    layout: str = "NCHW",
    dtype: int = TensorProto.FLOAT,
    opset: int = 18,
    ir: int = 8,
    producer: str = "pytorch",
    batch: int | str = 1,
    **metadata: str,
) -> onnx.ModelProto:
    """The detector; `outputs` are names of tensors and their types, by the outputs' names."""
    build = cells.build
    shape = [batch, 3, SIDE, SIDE] if layout == "NCHW" else [batch, SIDE, SIDE, 3]
    made = []
    for name, (tensor, kind) in outputs.items():
        build.op("Identity", tensor, output=name)
        made.append(helper.make_tensor_value_info(name, kind, None))
    graph = build.graph([helper.make_tensor_value_info("images", dtype, shape)], made)
    whole = helper.make_model(
        graph, producer_name=producer, ir_version=ir, opset_imports=[helper.make_opsetid("", opset)]
    )
    helper.set_model_props(whole, metadata)
    return onnx.shape_inference.infer_shapes(whole)


def yolov8(**more) -> onnx.ModelProto:
    """[1, 4 + C, N]: centres and sizes in pixels, probabilities."""
    cells = look(0, 1)
    both = cells.build.op("Concat", cells.constant(cells.centres()), cells.scores, axis=2)
    return model(cells, {"output0": (cells.build.op("Transpose", both, perm=[0, 2, 1]), 1)}, **more)


def yolov5(**more) -> onnx.ModelProto:
    """[1, 3 N, 5 + C], three anchors at each cell of which the second is the sure one."""
    cells = look(0, 1)
    build = cells.build
    parts, start = [], 0
    for stride in STRIDES:
        count = (SIDE // stride) ** 2
        centres = cells.centres()[start : start + count]
        scores = build.op("Slice", cells.scores, build.ints(start), build.ints(start + count), build.ints(1))
        zeros = build.op("Slice", cells.zeros, build.ints(start), build.ints(start + count), build.ints(1))
        for objectness in (0.2, 0.95, 0.1):
            rows = np.concatenate([centres, np.full((count, 1), objectness)], axis=1).astype(np.float32)[None]
            box = build.op("Add", build.constant(f"b{len(parts)}", rows), zeros)
            parts.append(build.op("Concat", box, scores, axis=2))
        start += count
    return model(cells, {"output": (build.op("Concat", *parts, axis=1), 1)}, **more)


def yolox(**more) -> onnx.ModelProto:
    """[1, N, 5 + C]: offsets from the cell's corner and logarithms in strides, objectness; raw BGR pixels."""
    cells = look(0, 255, colours="bgr")
    rows = np.tile([0.5, 0.5, 0.0, 0.0, 0.9], (len(cells.places), 1))
    both = cells.build.op("Concat", cells.constant(rows), cells.scores, axis=2)
    return model(cells, {"output": (both, 1)}, **more)


NANODET_MEAN, NANODET_STD = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])


def nanodet(**more) -> onnx.ModelProto:
    """[1, N, C + 32]: probabilities, then four distributions over 0 to 7 strides, around the cell's centre."""
    cells = look(0, 255, colours="bgr", mean=NANODET_MEAN, std=NANODET_STD)
    half = np.full(8, -30.0)
    half[:2] = 5.0  # 0 and 1 alike: half a stride
    rows = np.tile(np.tile(half, 4), (len(cells.places), 1))
    both = cells.build.op("Concat", cells.scores, cells.constant(rows), axis=2)
    return model(cells, {"output": (both, 1)}, **more)


def ssd(scores_name: str = "scores", logits: bool = False, background: str = "first", **more) -> onnx.ModelProto:
    """scores [1, A, C + 1] with a background, boxes [1, A, 4] as fractions, of (pixel - 127) / 128."""
    cells = look(-127 / 128, 1)
    build = cells.build
    best = build.op("ReduceMax", cells.scores, build.ints(2), keepdims=1)
    nothing = build.op("Sub", build.floats(1.0), best)
    order = (nothing, cells.scores) if background == "first" else (cells.scores, nothing)
    both = build.op("Concat", *order, axis=2)
    logs = build.op("Mul", build.op("Log", both), build.floats(1.0))
    scores = logs if logits else build.op("Softmax", logs, axis=2)
    boxes = cells.constant(cells.corners() / SIDE)
    return model(cells, {scores_name: (scores, 1), "boxes": (boxes, 1)}, **more)


def end_to_end(rows: int = 20, **more) -> onnx.ModelProto:
    """[1, K, 6]: x1, y1, x2, y2 in pixels, score, class from 0, best first; YOLOv10 has no NMS to cut before."""
    cells = look(0, 1)
    build = cells.build
    best = build.op("ReduceMax", cells.scores, build.ints(2), keepdims=1)
    number = build.op("Cast", build.op("ArgMax", cells.scores, axis=2), to=TensorProto.FLOAT)
    table = build.op("Concat", cells.constant(cells.corners()), best, number, axis=2)
    top = build.op("Squeeze", best, build.ints(2))
    _, places = build.pair("TopK", top, build.ints(rows), axis=1)
    chosen = build.op("GatherND", table, build.op("Unsqueeze", places, build.ints(2)), batch_dims=1)
    return model(cells, {"output0": (chosen, 1)}, **more)


def tensorflow(order: tuple[str, ...] = ("scores", "num", "boxes", "classes"), **more) -> onnx.ModelProto:
    """Final detections as TensorFlow's API has them, in any order; bytes in NHWC, classes from 1 as floats."""
    cells = look(0, 255, "NHWC", dtype=TensorProto.UINT8)
    build = cells.build
    boxes = cells.constant((cells.corners() / SIDE)[:, [1, 0, 3, 2]])
    flipped = build.op("Transpose", cells.scores, perm=[0, 2, 1])
    kept = build.op("NonMaxSuppression", boxes, flipped, build.ints(20), build.floats(0.5), build.floats(0.05))
    scores = build.op("GatherND", flipped, kept)
    count = build.op("Shape", scores)
    rows = build.op("Min", count, build.ints(20))
    best, places = build.pair("TopK", scores, rows, axis=0)
    kept = build.op("Gather", kept, places, axis=0)
    place = build.op("Squeeze", build.op("Slice", kept, build.ints(2), build.ints(3), build.ints(1)), build.ints(1))
    number = build.op("Squeeze", build.op("Slice", kept, build.ints(1), build.ints(2), build.ints(1)), build.ints(1))
    found = {
        "boxes": build.op("Gather", boxes, place, axis=1),
        "scores": build.op("Unsqueeze", best, build.ints(0)),
        "classes": build.op(
            "Unsqueeze",
            build.op("Cast", build.op("Add", number, build.ints(1)), to=TensorProto.FLOAT),
            build.ints(0),
        ),
        "num": build.op("Cast", rows, to=TensorProto.FLOAT),
    }
    names = {"boxes": "detection_boxes", "scores": "detection_scores", "classes": "detection_classes"}
    names["num"] = "num_detections"
    made = {names[key]: (found[key], 1) for key in order}
    return model(cells, made, "NHWC", TensorProto.UINT8, producer="tf2onnx", **more)


def torchvision(**more) -> onnx.ModelProto:
    """boxes [N, 4] in pixels, labels [N] from 1 (int64), scores [N]: no batch, only what is above 0.2."""
    cells = look(0, 1)
    build = cells.build
    best = build.op("ReduceMax", cells.scores, build.ints(0, 2), keepdims=0)
    number = build.op("Squeeze", build.op("ArgMax", cells.scores, axis=2, keepdims=0), build.ints(0))
    above = build.op("NonZero", build.op("Greater", best, build.floats(0.2)))
    above = build.op("Squeeze", above, build.ints(0))
    corners = build.constant("corners", cells.corners().astype(np.float32))
    found = {
        "boxes": (build.op("Gather", corners, above), TensorProto.FLOAT),
        "labels": (build.op("Add", build.op("Gather", number, above), build.ints(1)), TensorProto.INT64),
        "scores": (build.op("Gather", best, above), TensorProto.FLOAT),
    }
    return model(cells, found, **more)
