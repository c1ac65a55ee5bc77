"""The tail: raw boxes and scores to detections, in about thirty standard operators, for any batch.

The best NMS_CANDIDATES anchors by their best class; NonMaxSuppression per class; survivors' scores scattered into a
zero tensor, where the best of all classes are found by one TopK; rows that stayed empty are zero.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from isomer import contract
from isomer.contract import Thresholds
from isomer.graph.builder import GraphBuilder

PREFIX = "tail"


def build(classes: int, thresholds: Thresholds) -> onnx.GraphProto:
    """A graph from `raw_boxes` [batch, A, 4] and `raw_scores` [batch, A, classes] to the contract's four outputs.

    The outputs have K = min(max_detections, min(A, NMS_CANDIDATES) * classes) rows. A score must be above the
    score threshold; of two boxes of a class whose IoU is above the IoU threshold the better one stays.
    """
    build = GraphBuilder(PREFIX)
    score_threshold = build.named_constant(contract.SCORE_THRESHOLD, np.array([thresholds.score], np.float32))
    iou_threshold = build.named_constant(contract.IOU_THRESHOLD, np.array([thresholds.iou], np.float32))
    most = build.named_constant(contract.MAX_DETECTIONS, np.array([thresholds.max_detections], np.int64))

    anchors = build.op("Shape", contract.RAW_SCORES, start=1, end=2)
    count = build.op("Min", anchors, build.ints(contract.NMS_CANDIDATES))
    best = build.op("ReduceMax", contract.RAW_SCORES, build.ints(2), keepdims=0)
    candidates = build.op("Unsqueeze", _top(build, best, count)[1], build.ints(2))
    boxes = build.op("GatherND", contract.RAW_BOXES, candidates, batch_dims=1)
    boxes = build.op("Clip", boxes, build.constant("zero", np.float32(0)), build.constant("one", np.float32(1)))
    scores = build.op("GatherND", contract.RAW_SCORES, candidates, batch_dims=1)
    scores = build.op("Transpose", scores, perm=[0, 2, 1])  # [batch, classes, candidates]

    # rows of batch, class and candidate
    kept = build.op("NonMaxSuppression", boxes, scores, most, iou_threshold, score_threshold)
    nothing = build.op("ConstantOfShape", build.op("Shape", scores))
    survivors = build.op("ScatterND", nothing, kept, build.op("GatherND", scores, kept))
    survivors = build.op("Reshape", survivors, build.ints(0, -1))
    rows = build.op("Min", most, build.op("Mul", count, build.ints(classes)))
    values, places = _top(build, survivors, rows, output=contract.SCORES)

    # thresholds are not negative, so a score of 0 means an empty row
    present = build.op("Cast", build.op("Greater", values, build.floats(0.0)), to=TensorProto.FLOAT)
    number = build.op("Add", build.op("Div", places, count), build.ints(1))
    build.op("Mul", build.op("Cast", number, to=TensorProto.FLOAT), present, output=contract.CLASSES)
    chosen = build.op("Unsqueeze", build.op("Mod", places, count), build.ints(2))
    chosen = build.op("GatherND", boxes, chosen, batch_dims=1)
    build.op("Mul", chosen, build.op("Unsqueeze", present, build.ints(2)), output=contract.BOXES)
    build.op("ReduceSum", present, build.ints(1), keepdims=0, output=contract.COUNT)

    value = helper.make_tensor_value_info
    return build.graph(
        [
            value(contract.RAW_BOXES, TensorProto.FLOAT, ["batch", "anchors", 4]),
            value(contract.RAW_SCORES, TensorProto.FLOAT, ["batch", "anchors", classes]),
        ],
        [
            value(contract.BOXES, TensorProto.FLOAT, ["batch", "detections", 4]),
            value(contract.CLASSES, TensorProto.FLOAT, ["batch", "detections"]),
            value(contract.SCORES, TensorProto.FLOAT, ["batch", "detections"]),
            value(contract.COUNT, TensorProto.FLOAT, ["batch"]),
        ],
    )


def _top(build: GraphBuilder, values: str, count: str, output: str | None = None) -> tuple[str, str]:
    """The largest values of each row [batch, n], falling, and their places; of equals the first."""
    return build.pair("TopK", values, count, first=output, axis=1)
