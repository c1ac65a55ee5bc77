"""The place before a model's own NMS, where that is an operator of the graph: what is cut there is a core."""

from __future__ import annotations

import cutting
import numpy as np
import onnx
from final_outputs import Final
from matching import iou
from onnx import helper
from original import Original
from session import open_session

from isomer.converting import layouts
from isomer.converting.raw_outputs import decode
from isomer.converting.seen import Seen
from isomer.errors import CheckFailed
from isomer.graph.decoders import Layout
from isomer.native import Detections

LEAST_IOU = 0.99
TOLERANCE = 1e-4
SCORES = "cut/scores"


def cut(
    original: Original, final: Final, pictures: list[np.ndarray], names: int | None
) -> tuple[Original, Layout] | None:
    """The original up to its NMS, and what its raw outputs mean; None where no such place can be shown to be right.

    It is right if everything that the model finds in the pictures is among the raw outputs, with its score and class.
    """
    suppressions = [node for node in original.model.graph.node if node.op_type == "NonMaxSuppression"]
    if len(suppressions) != 1:
        return None
    (node,) = suppressions
    model = onnx.ModelProto()
    model.CopyFrom(original.model)
    model.graph.node.append(helper.make_node("Transpose", [node.input[1]], [SCORES], perm=[0, 2, 1]))
    boxes = node.input[0]
    try:
        before = _without_nms(original, cutting.leading_to(model, (boxes, SCORES)))
        runs = [before(before.place(pixels)[0]) for pixels in pictures]
    except CheckFailed:
        return None
    seen = {name: Seen(name, tuple(one[name] for one in runs)) for name in (boxes, SCORES)}
    if any(len({array.shape for array in one.arrays}) > 1 or one.arrays[0].ndim != 3 for one in seen.values()):
        return None  # what goes into it depends on the picture: chosen already
    centre = any(item.name == "center_point_box" and item.i for item in node.attribute)
    how = original.how
    layout = layouts.of_two(
        seen[boxes], seen[SCORES], how.height, how.width, names, "cxcywh" if centre else None, model.producer_name
    )
    if not isinstance(layout, Layout) or layout.boxes == "priors" or layout.activation != "none":
        return None
    if layout.unit == "pixel" and not how.height:
        return None
    found = 0
    for pixels, outputs in zip(pictures, runs, strict=True):
        raw = decode(layout, [outputs[boxes], outputs[SCORES]], how.height or 1, how.width or 1)
        values = original.place(pixels)[0]
        sides = values.shape[-2:] if how.layout == "NCHW" else values.shape[:2]
        own = final.read(original(values), *sides)
        if not _are_among(own, raw[0][0], raw[1][0]):
            return None
        found += len(own.scores)
    return (before, layout) if found else None


def _without_nms(original: Original, model: onnx.ModelProto) -> Original:
    return Original(model, open_session(model), original.input, original.how)


def _are_among(found: Detections, boxes: np.ndarray, scores: np.ndarray) -> bool:
    """Whether each detection is one of the anchors; boxes that were clipped to the picture count."""
    boxes = boxes.clip(0, 1)
    for box, number, score in zip(found.boxes.clip(0, 1), found.classes, found.scores, strict=True):
        if number > scores.shape[1]:
            return False
        near = np.abs(scores[:, number - 1] - score) <= TOLERANCE
        if not near.any() or iou(box, boxes[near]).max() < LEAST_IOU:
            return False
    return True
