"""What comes out of a detector after its own NMS: which output is what, and its detections."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from converting.original import Original, Port
from isomer.native import Detections

NAMES = {
    "boxes": r"(.*detection_?boxes|.*nmsed?_?boxes|boxes|bboxes|.*output_?boxes|final_?boxes)",
    "scores": r"(.*detection_?scores|.*nmsed?_?scores|scores|confidences?|.*output_?scores|final_?scores)",
    "classes": r"(.*detection_?classes|.*nmsed?_?classes|classes|labels|class_?ids|.*output_?(classes|labels))",
    "count": r"(num_?detections|.*valid_?detections|count|num_?boxes|.*num_?dets)",
}


@dataclass(frozen=True)
class Roles:
    """The outputs of a detector with its NMS inside. Boxes [1, K, 4], scores, classes [1, K], count [1]."""

    boxes: Port
    scores: Port
    classes: Port | None
    count: Port | None

    @property
    def ports(self) -> list[Port]:
        return [one for one in (self.boxes, self.scores, self.classes, self.count) if one is not None]


def roles(original: Original, pictures: Sequence[np.ndarray]) -> Roles | None:
    """Which output is what: by its name, else by what comes out of it; None where they are no detections."""
    named = {role: _named(original.outputs, pattern) for role, pattern in NAMES.items()}
    if named["boxes"] and named["scores"] and named["boxes"] is not named["scores"]:
        boxes, scores = original.run([named["boxes"].tensor, named["scores"].tensor], pictures[0])
        # scores of all classes: not detections, but what they are chosen from
        is_final = boxes.size == 4 * scores.size
        return Roles(named["boxes"], named["scores"], named["classes"], named["count"]) if is_final else None
    runs = [original.run([one.tensor for one in original.outputs], picture) for picture in pictures]
    values = [[_row(run[index]) for run in runs] for index in range(len(original.outputs))]
    boxes = [index for index, found in enumerate(values) if all(one.ndim == 2 and one.shape[1] == 4 for one in found)]
    if len(boxes) != 1:
        return None
    rows = [one.shape[0] for one in values[boxes[0]]]
    columns = [i for i, found in enumerate(values) if [one.shape for one in found] == [(count,) for count in rows]]
    scores = [i for i in columns if all(_falling_scores(one) for one in values[i])]
    classes = [i for i in columns if i not in scores and all((one == np.rint(one)).all() for one in values[i])]
    counts = [i for i, found in enumerate(values) if all(one.size == 1 for one in found) and i not in columns]
    if not scores:
        return None
    pick = lambda found: original.outputs[found[0]] if found else None  # noqa: E731
    return Roles(original.outputs[boxes[0]], original.outputs[scores[0]], pick(classes), pick(counts))


def detections(found: Roles, values: dict[str, np.ndarray], first_class: int) -> Detections:
    """One picture's detections from the outputs' values (by tensor); classes from 1."""
    boxes = _row(values[found.boxes.tensor]).reshape(-1, 4).astype(np.float32)
    scores = _row(values[found.scores.tensor]).reshape(-1).astype(np.float32)
    ids = np.full(len(scores), first_class) if found.classes is None else _row(values[found.classes.tensor]).reshape(-1)
    kept = scores > 0
    if found.count is not None:
        kept &= np.arange(len(scores)) < int(np.rint(values[found.count.tensor]).reshape(-1)[0])
    order = np.argsort(-scores[kept], kind="stable")
    numbers = np.rint(ids[kept][order]).astype(int) - first_class + 1
    return Detections(boxes[kept][order], numbers, scores[kept][order])


def _named(ports: Sequence[Port], pattern: str) -> Port | None:
    words = [(one, one.name.split("/")[-1].split(":")[0].lower()) for one in ports]
    return next((one for one, word in words if re.fullmatch(pattern, word)), None)


def _row(value: np.ndarray) -> np.ndarray:
    """Without the batch's axis, where there is one."""
    return value[0] if value.ndim > 1 and value.shape[0] == 1 else value


def _falling_scores(value: np.ndarray) -> bool:
    inside = bool(value.size and value.min() >= 0 and value.max() <= 1)
    return inside and bool((np.diff(value) <= 1e-6).all()) and value.dtype.kind == "f"
