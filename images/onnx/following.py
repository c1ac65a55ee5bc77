"""Numbers for objects that stay the same from frame to frame, by SORT: Kalman filters and overlap, class by class.

https://arxiv.org/abs/1602.00763, as https://github.com/insight-platform/Similari has it.
"""

from __future__ import annotations

import numpy as np
import similari

from isomer.native import Detections

LOST_SECONDS = 1.0  # after which an object that is not found again gets a new number
# IoU of an object with where it was expected. Low, because Similari expects what was missed for some frames where it
# would have been after the first of them
LEAST_OVERLAP = 0.1


class Following:
    """The objects of one model in one video, frame by frame.

    Args:
        classes: ids; an object never changes its class.
        rate: frames a second.
    """

    def __init__(self, classes: tuple[int, ...], rate: float) -> None:
        self._classes = classes
        self._tracker = similari.Sort(
            shards=1,
            bbox_history=1,
            max_idle_epochs=max(1, round(LOST_SECONDS * rate)),
            method=similari.PositionalMetricType.iou(LEAST_OVERLAP),
        )

    def numbers(self, found: Detections, width: int, height: int) -> np.ndarray:
        """The numbers of a frame's detections, from 1 in the order in which objects came. int [k]"""
        corners = found.boxes * (height, width, height, width)
        numbers = np.zeros(len(found.scores), np.int64)
        for category in self._classes:
            rows = np.flatnonzero(found.classes == category)
            boxes = [(_box(corners[row], float(found.scores[row])), int(row)) for row in rows]
            # one without detections too: its objects grow older
            for track in self._tracker.predict_with_scene(category, boxes):
                numbers[track.custom_object_id] = track.id
        self._tracker.clear_wasted()
        return numbers


def _box(corners: np.ndarray, score: float) -> similari.Universal2DBox:
    top, left, bottom, right = map(float, corners)
    # an empty box has no overlap with anything, and no aspect
    sides = max(right - left, 1.0), max(bottom - top, 1.0)
    return similari.BoundingBox.new_with_confidence(left, top, *sides, score).as_xyaah()
