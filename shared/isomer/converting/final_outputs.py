"""Outputs of a model with its NMS inside: which is what, and how they become boxes, scores, ids and a count."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import TensorProto, helper

from isomer.contract import Thresholds
from isomer.converting.seen import Seen
from isomer.graph.builder import GraphBuilder
from isomer.native import Detections

MOST_ROWS = 2000  # more are not detections any more, but anchors
NAMES = {
    "boxes": ("detection_boxes", "det_boxes", "pred_boxes", "boxes", "bboxes", "dets", "bbox"),
    "scores": ("detection_scores", "det_scores", "pred_scores", "scores", "confidences", "conf"),
    "classes": ("detection_classes", "det_classes", "pred_classes", "classes", "labels", "class_ids", "class"),
    "count": ("num_detections", "num_dets", "num_predictions", "num_boxes", "valid_detections", "num", "count"),
}
# What a model that does not tell how many classes it has is taken to have: COCO's ids of TensorFlow, or COCO's classes.
UNTOLD = {1: 90, 0: 80}
BOXES, SCORES, IDS, COUNT = "boxes", "scores", "class_ids", "count"


@dataclass(frozen=True)
class Column:
    """Where one kind of number is: an output, and in its last axis the first column of how many; None: all of it."""

    output: str
    first: int | None = None
    width: int = 1

    def take(self, outputs: dict[str, np.ndarray]) -> np.ndarray:
        """The numbers of one picture, float64 [N] or, of a box, [N, 4]."""
        values = outputs[self.output].astype(np.float64)
        if self.first is not None:
            values = values.reshape(-1, values.shape[-1])[:, self.first : self.first + self.width]
        return values.reshape(-1, 4) if self.width == 4 else values.reshape(-1)


@dataclass(frozen=True)
class Final:
    """What a model's own detections are made of. box_order, unit and first_class are as of isomer.contract.Whole."""

    boxes: Column
    scores: Column
    ids: Column | None
    count: Column | None
    box_order: str
    unit: str
    first_class: int

    def read(
        self, outputs: dict[str, np.ndarray], height: int, width: int, low: Thresholds | None = None
    ) -> Detections:
        """One picture's detections, best first: boxes as fractions of the graph's input, ids from 1.

        Args:
            height: of the graph's input, as `width`.
            width: in pixels.
            low: their lowest score and how many there are at most; else those of an evaluation.
        """
        boxes, scores = self.boxes.take(outputs), self.scores.take(outputs)
        ids = self.ids.take(outputs) if self.ids else np.full(len(scores), self.first_class)
        count = int(self.count.take(outputs)[0]) if self.count else len(scores)
        low = low or Thresholds().for_evaluation()
        kept = np.flatnonzero((np.arange(len(scores)) < count) & (scores > low.score) & (ids >= self.first_class))
        kept = kept[np.argsort(-scores[kept], kind="stable")][: low.max_detections]
        a, b, c, d = boxes[kept].T
        left, top, right, bottom = {
            "yxyx": (b, a, d, c),
            "xyxy": (a, b, c, d),
            "xywh": (a, b, a + c, b + d),
            "cxcywh": (a - c / 2, b - d / 2, a + c / 2, b + d / 2),
        }[self.box_order]
        corners = np.stack([top, left, bottom, right], axis=1)
        if self.unit == "pixel":
            corners = corners / [height, width, height, width]
        found = ids[kept].astype(np.int64) - self.first_class + 1
        return Detections(corners.astype(np.float32), found, scores[kept].astype(np.float32))

    def ids_in(self, seen: dict[str, Seen]) -> np.ndarray:
        """The class ids, as the model counts them, of all that it found in some pictures; rows behind are left out."""
        found = []
        for index in range(len(seen[self.scores.output].arrays) if self.ids else 0):
            outputs = {name: one.arrays[index] for name, one in seen.items()}
            ids, scores = self.ids.take(outputs), self.scores.take(outputs)
            count = int(self.count.take(outputs)[0]) if self.count else len(scores)
            found.append(ids[:count][scores[:count] > 0])
        return np.concatenate(found) if found else np.empty(0)

    def classes_in(self, seen: dict[str, Seen]) -> int:
        """How many classes there are at least, by what was found."""
        return int(self.ids_in(seen).max(initial=self.first_class)) - self.first_class + 1

    def graph(self, prefix: str, free_batch: bool) -> onnx.GraphProto:
        """From the outputs under their own names to BOXES [n, N, 4], SCORES, IDS [n, N] and COUNT [n], float32.

        Args:
            prefix: before the names of the outputs.
            free_batch: their first axis is the batch's; else the batch is one, whatever axes there are.
        """
        build = GraphBuilder("final")
        batch = 0 if free_batch else 1
        outputs = []
        for name, column in ((BOXES, self.boxes), (SCORES, self.scores), (IDS, self.ids), (COUNT, self.count)):
            if column is None:
                continue
            value = f"{prefix}{column.output}"
            if column.first is not None:
                axis = build.ints(-1)
                ends = build.ints(column.first), build.ints(column.first + column.width)
                value = build.op("Slice", value, *ends, axis)
            shape = {BOXES: (batch, -1, 4), COUNT: (-1,)}.get(name, (batch, -1))
            value = build.op("Reshape", build.op("Cast", value, to=TensorProto.FLOAT), build.ints(*shape))
            build.op("Identity", value, output=f"final/{name}")
            dims = ["batch" if free_batch else 1, *{BOXES: ["N", 4], COUNT: []}.get(name, ["N"])]
            outputs.append(helper.make_tensor_value_info(f"final/{name}", TensorProto.FLOAT, dims))
        names = dict.fromkeys(
            column.output for column in (self.boxes, self.scores, self.ids, self.count) if column is not None
        )
        inputs = [helper.make_tensor_value_info(f"{prefix}{name}", TensorProto.FLOAT, None) for name in names]
        return build.graph(inputs, outputs)


def recognise(seen: dict[str, Seen], producer: str, given: dict[str, str], box_order: str | None) -> Final | str:
    """The detections in a model's outputs, or why there are none to be found.

    Args:
        producer: who wrote the file.
        given: outputs by role (boxes, scores, classes, count) as the user declared them.
        box_order: likewise.
    """
    roles = _declared(given, seen) or _one_table(seen) or _by_name(seen) or _by_shape(seen)
    if isinstance(roles, str):
        return roles
    boxes, scores, ids, count = roles
    values = np.concatenate([boxes.take({boxes.output: array}) for array in seen[boxes.output].arrays])
    by_tensorflow = "tf2onnx" in producer or boxes.output.lower().startswith("detection")
    order = box_order or ("yxyx" if by_tensorflow else "xyxy")
    corners = (values[:, 2:] >= values[:, :2] - 1e-6).mean() if len(values) else 1.0
    if not box_order and corners < 0.9:
        order = "cxcywh"
    unit = "pixel" if np.abs(values).max(initial=0) > 2 else "fraction"
    first = 1 if by_tensorflow or _is_torchvision(seen, boxes, ids) else 0
    found = Final(boxes, scores, ids, count, order, unit, 0)
    return replace(found, first_class=0 if (found.ids_in(seen) == 0).any() else first)


def _declared(
    given: dict[str, str], seen: dict[str, Seen]
) -> tuple[Column, Column, Column | None, Column | None] | str | None:
    if not {"boxes", "scores"} <= given.keys():
        return None
    boxes, scores = (seen[given[role]] for role in ("boxes", "scores"))
    if boxes.values.size != 4 * scores.values.size:
        return f"not one score for each box ({boxes.in_words()}; {scores.in_words()})"
    optional = [Column(given[role]) if role in given else None for role in ("classes", "count")]
    return Column(given["boxes"], None, 4), Column(given["scores"]), optional[0], optional[1]


def _is_torchvision(seen: dict[str, Seen], boxes: Column, ids: Column | None) -> bool:
    """torchvision's detectors have no batch axis in their outputs, and the background is their class 0."""
    return ids is not None and seen[boxes.output].arrays[0].ndim == 2 and seen[ids.output].arrays[0].ndim == 1


def _one_table(seen: dict[str, Seen]):
    """One output with a detection a row: 6 columns (box, score, class; YOLOv10) or 7 (with the picture's number in
    front: YOLOv7's, OpenVINO's and EfficientDet's, which differ in where score and class are)."""
    tables = [one for one in seen.values() if one.arrays[0].ndim >= 2 and one.shape[-1] in (5, 6, 7)]
    # of two axes only where the table is all there is: scores of six detections look like one, too
    tables = [one for one in tables if one.arrays[0].ndim > 2 or len(seen) == 1]
    tables = [one for one in tables if len({array.shape[-1] for array in one.arrays}) == 1]
    for one in (one for one in tables if np.prod(one.shape[:-1]) <= MOST_ROWS):
        columns = one.shape[-1]
        if columns == 5:  # mmdeploy: the score behind the box, ids in an output of their own
            others = [other for other in seen.values() if other.is_whole and other.shape == one.shape[:-1]]
            if others:
                return Column(one.name, 0, 4), Column(one.name, 4), Column(others[0].name), None
            continue
        rows = one.rows(columns)
        start = columns - 6
        if columns == 7 and not rows[:, 0].any() and _is_id(rows[:, 1]) and _is_score(rows[:, 2]):
            return Column(one.name, 3, 4), Column(one.name, 2), Column(one.name, 1), None
        for score, number in ((start + 4, start + 5), (start + 5, start + 4)):
            if _is_score(rows[:, score]) and _is_id(rows[:, number]) and not _is_id(rows[:, score]):
                return Column(one.name, start, 4), Column(one.name, score), Column(one.name, number), None
        if len(seen) == 1 and not rows.any():
            # nothing found at all: the usual order
            return Column(one.name, start, 4), Column(one.name, start + 4), Column(one.name, start + 5), None
    return None


def _by_name(seen: dict[str, Seen]):
    found: dict[str, str] = {}
    short = {name.lower().split(":")[0].split("/")[-1]: name for name in seen}
    for role, names in NAMES.items():
        name = next((name for name in names if name in short), None)
        if name:
            found[role] = short[name]
    if not {"boxes", "scores"} <= found.keys() or seen[found["boxes"]].shape[-1:] != (4,):
        return None
    rows = int(np.prod(seen[found["boxes"]].shape[:-1]))
    if any(int(np.prod(seen[found[role]].shape)) != rows for role in ("scores", "classes") if role in found):
        return None
    return _declared(found, seen)


def _by_shape(seen: dict[str, Seen]):
    boxes = [one for one in seen.values() if one.arrays[0].ndim >= 2 and one.shape[-1] == 4 and not one.is_whole]
    boxes = [one for one in boxes if np.prod(one.shape[:-1]) <= MOST_ROWS]
    if len(boxes) != 1:
        return "no output holds boxes (four numbers a row)" if not boxes else "several outputs hold four numbers a row"
    rows = int(np.prod(boxes[0].shape[:-1]))
    flat = [one for one in seen.values() if one is not boxes[0] and int(np.prod(one.shape)) == rows != 1]
    counts = [one for one in seen.values() if one is not boxes[0] and one.values.size == len(one.arrays) and rows != 1]
    ids = [one for one in flat if one.is_whole] or [one for one in flat if _is_id(one.values) and one.values.any()]
    scores = [one for one in flat if one not in ids and not one.is_whole and _is_score(one.values)]
    if len(scores) != 1 or len(ids) > 1:
        return "which outputs are scores and class ids does not show"
    count = next((one for one in counts if _is_id(one.values)), None)
    return (
        Column(boxes[0].name, None, 4),
        Column(scores[0].name),
        Column(ids[0].name) if ids else None,
        Column(count.name) if count else None,
    )


def _is_score(values: np.ndarray) -> bool:
    return bool(((values >= -1e-6) & (values <= 1 + 1e-6)).all())


def _is_id(values: np.ndarray) -> bool:
    return bool((values % 1 == 0).all() and (values >= -1).all())
