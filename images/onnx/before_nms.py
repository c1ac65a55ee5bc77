"""The place before a model's own NMS: two tensors among which is everything that the model finds. A core is cut there.

Nothing is concluded from names or operators: tensors inside the graph are looked at on pictures, and taken if each
detection of the model itself is one of their rows, with its box, its class and its score.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cutting
import numpy as np
import onnx
from matching import iou
from onnx import helper
from original import Original
from session import open_session

from isomer.converting.final_outputs import Final
from isomer.converting.layouts import LEAST_ANCHORS
from isomer.converting.raw_outputs import decode
from isomer.errors import CheckFailed
from isomer.flags import BOX_ORDERS
from isomer.graph.decoders import Layout
from isomer.graph.parts import nodes
from isomer.native import Detections

LEAST_IOU = 0.99
TOLERANCE = 1e-4
MOST_CLASSES = 2000
# What feature maps are made by: neither boxes nor scores.
_FEATURES = {"Conv", "BatchNormalization", "Relu", "Clip", "MaxPool", "AveragePool", "Resize", "HardSwish", "Constant"}
_CONTROL = {"Loop", "If", "Scan", "SequenceEmpty", "SequenceInsert", "ConcatFromSequence", "SplitToSequence"}


@dataclass(frozen=True)
class Table:
    """A tensor in the graph with a row for each anchor: [1, A, n], or with `transposed` [1, n, A].

    rows: of each picture [A, n].
    """

    name: str
    transposed: bool
    rows: tuple[np.ndarray, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.rows[0].shape


def cut(original: Original, final: Final, pictures: list[np.ndarray]) -> tuple[Original, Layout] | None:
    """The original up to its NMS, and what its raw outputs mean; None where no such place shows, or it has no NMS (a
    model that was trained to do without must not be given one)."""
    if not any(node.op_type == "NonMaxSuppression" for node in nodes(original.model.graph)):
        return None
    names = list(_names(original))
    try:
        wide = _with_outputs(original, (*original.outputs, *names))
        runs = [wide(wide.place(pixels)[0]) for pixels in pictures]
    except CheckFailed:
        return None
    how = original.how
    places = [original.place(pixels)[0] for pixels in pictures]
    sides = [values.shape[-2:] if how.layout == "NCHW" else values.shape[:2] for values in places]
    own = [final.read(outputs, *side) for outputs, side in zip(runs, sides, strict=True)]
    if not any(len(found.scores) for found in own):
        return None
    tables = list(_tables(names, runs))
    scores = [(table, first) for table in tables[::-1] for first in _holds_scores(table, own)]
    for table in (table for table in tables[::-1] if table.shape[1] == 4 and not table.transposed):
        fits = [(scored, first) for scored, first in scores if scored.shape[0] == table.shape[0]]
        for order in BOX_ORDERS if fits else ():
            unit = "pixel" if max(np.abs(rows).max() for rows in table.rows) > 2 else "fraction"
            if unit == "pixel" and not how.height:
                continue
            for scored, first in fits:
                classes = scored.shape[1] - first
                layout = Layout(
                    (table.name, _name(scored)), order, unit, classes, background="first" if first else "none"
                )
                if _holds(layout, table, scored, own, how.height or 1, how.width or 1):
                    return _cut_at(original, table, scored), layout
    return None


def _names(original: Original) -> Iterator[str]:
    """The tensors that come of the picture's pixels (not of its size: anchors do), in the order of the graph."""
    reached = {original.input.name}
    for node in original.model.graph.node:
        if node.op_type == "Shape" or not reached & set(node.input):
            continue
        reached.update(node.output)
        if node.op_type not in _FEATURES | _CONTROL:
            yield from (name for name in node.output if name and name not in original.outputs)


def _tables(names: list[str], runs: list[dict[str, np.ndarray]]) -> Iterator[Table]:
    """The tensors that may hold a row for each anchor, in the order of the graph."""
    for name in names:
        arrays = [run[name] for run in runs]
        shape = arrays[0].shape
        if any(array.shape != shape or array.dtype.kind != "f" for array in arrays) or len(shape) not in (2, 3):
            continue  # of as many rows as the picture shows: chosen already
        if len(shape) == 3 and shape[0] != 1:
            continue
        rows, columns = shape[-2:]
        if not all(np.isfinite(array).all() for array in arrays):
            continue
        flat = tuple(array.reshape(rows, columns).astype(np.float64) for array in arrays)
        if rows >= LEAST_ANCHORS and columns <= MOST_CLASSES:
            yield Table(name, False, flat)
        if len(shape) == 3 and columns >= LEAST_ANCHORS and rows <= MOST_CLASSES:
            yield Table(name, True, tuple(array.T for array in flat))


def _holds_scores(table: Table, own: list[Detections]) -> Iterator[int]:
    """The columns before the first class (0, or 1 for a background) with which every detection's score is there."""
    if min(rows.min() for rows in table.rows) < -TOLERANCE or max(rows.max() for rows in table.rows) > 1 + TOLERANCE:
        return
    is_softmax = table.shape[1] > 1 and all(np.abs(rows.sum(axis=1) - 1).max() < 1e-3 for rows in table.rows)
    for first in (1,) if is_softmax else (0, 1):
        columns = table.shape[1] - first
        if columns < 1 or any(found.classes.max(initial=1) > columns for found in own):
            continue
        if all(
            np.abs(rows[:, first + number - 1] - score).min() <= TOLERANCE
            for rows, found in zip(table.rows, own, strict=True)
            for number, score in zip(found.classes, found.scores, strict=True)
        ):
            yield first


def _holds(layout: Layout, boxes: Table, scores: Table, own: list[Detections], height: int, width: int) -> bool:
    """Whether each detection is one of the anchors; boxes that were clipped to the picture count."""
    for box_rows, score_rows, found in zip(boxes.rows, scores.rows, own, strict=True):
        raw_boxes, raw_scores = (
            values[0] for values in decode(layout, [box_rows[None], score_rows[None]], height, width)
        )
        raw_boxes = raw_boxes.clip(0, 1)
        for box, number, score in zip(found.boxes.clip(0, 1), found.classes, found.scores, strict=True):
            near = np.abs(raw_scores[:, number - 1] - score) <= TOLERANCE
            if not near.any() or iou(box, raw_boxes[near]).max() < LEAST_IOU:
                return False
    return True


def _name(scores: Table) -> str:
    return f"cut/{scores.name}" if scores.transposed else scores.name


def _cut_at(original: Original, boxes: Table, scores: Table) -> Original:
    """The original with these tensors, anchors in rows, as its outputs."""
    model = onnx.ModelProto()
    model.CopyFrom(original.model)
    if scores.transposed:
        model.graph.node.append(helper.make_node("Transpose", [scores.name], [_name(scores)], perm=[0, 2, 1]))
    cut_model = cutting.leading_to(model, (boxes.name, _name(scores)))
    return Original(cut_model, open_session(cut_model), original.input, original.how)


def _with_outputs(original: Original, names: tuple[str, ...]) -> Original:
    model = onnx.ModelProto()
    model.CopyFrom(original.model)
    del model.graph.output[:]
    known = {item.name: item for item in (*original.model.graph.output, *model.graph.value_info)}
    model.graph.output.extend(known.get(name, onnx.ValueInfoProto(name=name)) for name in names)
    return Original(model, open_session(model), original.input, original.how)
