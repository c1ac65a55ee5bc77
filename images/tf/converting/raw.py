"""Where a detector's graph holds decoded boxes and scores of all anchors: the place to cut it, before its NMS.

Not by names: of all tensors after the last layer that depend on the picture, those whose values are boxes (corners in
order) and scores (0...1) of equally many anchors, the latest of each before the NMS that hold all that the graph finds:
each detection is one of their rows, with its box, its class and its score.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from converting.graphs import CONTROL, LAYERS, NMS, Graph, split
from converting.original import Original
from isomer.native import Detections

LEAST_ANCHORS = 4
BEST = ("TopK", "TopKV2")
SAME_SCORE, SAME_BOX = 1e-4, 1e-3
LOOKED_AT = 50  # detections of a picture
FRACTIONS = 8.0  # boxes whose numbers are all smaller are fractions, else pixels


@dataclass(frozen=True)
class RawTensors:
    """Boxes [1, A, 4], [1, A, 1, 4] or [A, 4], scores [1, A, C] or [A, C] of a graph, by the tensors' names."""

    boxes: str
    scores: str
    anchors: int
    classes: int  # columns of the scores, a background's among them
    background: bool  # the first column is a background's
    pixels: bool  # boxes in pixels of the network's input, not in fractions
    order: str = "yxyx"  # of a box's numbers, or "xyxy"

    def settle(self, boxes: np.ndarray, scores: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """One picture's values as [A, 4], fractions of a network's input so large, and [A, C] without background."""
        boxes = boxes.reshape(self.anchors, 4).astype(np.float32)
        if self.order == "xyxy":
            boxes = boxes[:, [1, 0, 3, 2]]
        if self.pixels:
            boxes = boxes / np.array([height, width, height, width], np.float32)
        scores = scores.reshape(self.anchors, self.classes).astype(np.float32)
        return boxes, scores[:, 1:] if self.background else scores


def find(
    original: Original, outputs: Sequence[str], pictures: Sequence[np.ndarray], theirs: Sequence[Detections] = ()
) -> RawTensors | None:
    """The raw tensors behind the outputs (tensors), or None where there is no such place.

    Args:
        pictures: [height, width, 3], that the graph is tried on, of its network's own size.
        theirs: what the graph itself finds in them, where it ends in detections.
    """
    tensors = candidates(original, outputs)
    runs = [original.run(tensors, picture) for picture in pictures]
    values = {name: [run[index] for run in runs] for index, name in enumerate(tensors)}
    boxes = {name: found for name, found in values.items() if _anchors(found, 4) and all(map(_are_boxes, found))}
    scores = {name: found for name, found in values.items() if _anchors(found, None) and all(map(_are_scores, found))}
    for anchors in sorted({_anchors(found, 4) for found in boxes.values()}, reverse=True):
        pairs = _pairs(
            original.graph,
            [name for name, found in boxes.items() if _anchors(found, 4) == anchors],
            {name: found[0].shape[-1] for name, found in scores.items() if _anchors(found, None) == anchors},
        )
        for box, score in pairs:
            later = original.graph.after([split(score)[0]])
            singles = [found for name, found in scores.items() if split(name)[0] in later and found[0].size == anchors]
            made = RawTensors(
                box,
                score,
                anchors,
                values[score][0].shape[-1],
                background=_has_background(values[score], singles),
                pixels=any(np.abs(one).max() > FRACTIONS for one in values[box]),
            )
            made = _holding(made, pictures, values[box], values[score], theirs)
            if made is not None:
                return made
    return None


def _holding(
    raw: RawTensors,
    pictures: Sequence[np.ndarray],
    boxes: Sequence[np.ndarray],
    scores: Sequence[np.ndarray],
    theirs: Sequence[Detections],
) -> RawTensors | None:
    """The raw tensors if every detection is a row of them, with the background that the class ids speak of."""
    for background in (raw.background, not raw.background):
        made = replace(raw, background=background)
        if raw.classes > background and all(
            _holds(*made.settle(*values, *picture.shape[:2]), found)
            for picture, *values, found in zip(pictures, boxes, scores, theirs, strict=False)
        ):
            return made
    return None


def _holds(boxes: np.ndarray, scores: np.ndarray, found: Detections) -> bool:
    """Whether each detection (boxes may have been clipped) is a row."""
    boxes = np.clip(boxes, 0, 1)
    for box, number, score in list(zip(np.clip(found.boxes, 0, 1), found.classes, found.scores, strict=True))[
        :LOOKED_AT
    ]:
        if number > scores.shape[1]:
            return False
        near = np.abs(boxes - box).max(axis=1) < SAME_BOX
        if not (near & (np.abs(scores[:, number - 1] - score) < SAME_SCORE)).any():
            return False
    return True


def _pairs(graph: Graph, boxes: Sequence[str], scores: dict[str, int]) -> Iterator[tuple[str, str]]:
    """Boxes and scores, the latest scores first, those of all classes before those of one; with them the latest boxes
    that do not depend on them first.

    Coordinates may be numbers from 0 to 1 too, but boxes depend on them; and boxes that were masked by their scores
    are those of one class.
    """
    wide, narrow = ([name for name, columns in scores.items() if (columns > 1) is wanted] for wanted in (True, False))
    for score in [*wide[::-1], *narrow[::-1]]:
        later = graph.after([split(score)[0]])
        before = graph.before([split(score)[0]])
        for box in reversed(boxes):
            if box != score and split(box)[0] not in later | before:
                yield box, score


def _has_background(scores: Sequence[np.ndarray], singles: Sequence[Sequence[np.ndarray]]) -> bool:
    """The first column is a background's: all rows sum to one, or an NMS class by class takes all columns but that."""
    columns = scores[0].shape[-1]
    if columns == 1:
        return False
    tables = [one.reshape(-1, columns) for one in scores]
    taken = {
        column
        for single in singles
        for column in range(columns)
        if all(np.array_equal(one.reshape(-1), table[:, column]) for one, table in zip(single, tables, strict=True))
    }
    if taken:
        return 0 not in taken
    return all(float(np.abs(table.sum(axis=1) - 1).max()) < 1e-4 for table in tables)


def candidates(original: Original, outputs: Sequence[str]) -> list[str]:
    """Float tensors between the last layer and the NMS, in the order in which they are computed."""
    graph = original.graph
    ends = [split(tensor)[0] for tensor in outputs]
    behind = graph.before(ends)
    dependent = graph.after([split(original.input.tensor)[0]]) & behind
    suppressions = {name for name in dependent if graph.operators(name) & NMS}
    if suppressions:
        behind = graph.before(suppressions)
    # the best of each class apart are no rows of all anchors any more
    suppressions |= {name for name in dependent if graph.nodes[name].op in BEST}
    layers = [name for name in dependent if graph.operators(name) & LAYERS]
    wanted = dependent & behind - graph.before(layers) - graph.after(suppressions) - graph.in_frames
    if not layers:
        return []
    places = graph.order
    nodes = sorted(wanted, key=lambda name: places.get(name, -1))
    nodes = [name for name in nodes if graph.nodes[name].op not in CONTROL]
    tensors = [tensor for name in nodes for tensor in original.tensors_of(name)]
    return [tensor for tensor in tensors if original.dtype(tensor) in ("float32", "float16", "float64")]


def depends_on_nms(graph: Graph, tensor: str) -> bool:
    """A tensor is computed from what an NMS chose: of the second stage of a detector."""
    return any(graph.operators(name) & NMS for name in graph.before([split(tensor)[0]]))


def _anchors(values: Sequence[np.ndarray], columns: int | None) -> int | None:
    """Number of rows of tensors shaped [1, A, columns], [1, A, 1, columns] or [A, columns]; None for others."""
    shapes = {value.shape for value in values}
    if len(shapes) != 1:
        return None
    shape = list(shapes.pop())
    if len(shape) > 2 and shape[0] == 1:
        del shape[0]
    if len(shape) == 3 and shape[1] == 1:
        del shape[1]
    if len(shape) != 2 or (columns is not None and shape[1] != columns) or shape[0] < LEAST_ANCHORS:
        return None
    return shape[0]


def _are_boxes(values: np.ndarray) -> bool:
    """Rows are corners, the first before the second (rounding, and sizes of zero, allowed), and not all the same."""
    values = values.reshape(-1, 4)
    if not np.isfinite(values).all() or np.ptp(values) == 0:
        return False
    slack = 1e-4 * max(1.0, float(np.abs(values).max()))
    return bool(np.mean((values[:, 2] >= values[:, 0] - slack) & (values[:, 3] >= values[:, 1] - slack)) > 0.99)


def _are_scores(values: np.ndarray) -> bool:
    return bool(np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1 + 1e-6)
