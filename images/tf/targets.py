"""Anchors, and what each of them is to say about a picture: the class and the box that it should find."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from architectures import MIN_LEVEL, Architecture
from official.vision.ops import anchor

NOTHING = -1  # the class of an anchor that is no box's


class Anchors:
    """The anchors of an architecture for an input of `size` pixels.

    Attributes:
        levels: corners [height, width, anchors of a cell * 4] in pixels, by level.
        corners: the same [A, 4], in the order of the detector's outputs.
    """

    def __init__(self, architecture: Architecture, size: int) -> None:
        self.size = size
        self.levels = anchor.Anchor(
            min_level=MIN_LEVEL,
            max_level=architecture.max_level(size),
            num_scales=architecture.anchor_scales,
            aspect_ratios=list(architecture.anchor_ratios),
            anchor_size=architecture.anchor_size,
            image_size=[size, size],
        ).multilevel_boxes
        # numpy's, so that a graph takes them in as a constant, not as an input of its own
        self.corners = np.concatenate([level.numpy().reshape(-1, 4) for level in self.levels.values()])
        self._threshold = architecture.match_threshold

    def assign(self, boxes: tf.Tensor, classes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The targets of one picture's anchors.

        An anchor belongs to the box that it overlaps most, if by the threshold; a box's best anchor is always its own.
        It is what the Model Garden's AnchorLabeler says, in a tenth of the time: only anchors that belong to a box
        get deltas computed, and no matrix of anchors by boxes is made but the overlaps.

        Args:
            boxes: [n, 4], fractions. classes: [n], int32 from 1.

        Returns:
            classes [A], int32, NOTHING where an anchor is no box's; deltas [A, 4] (y, x, height, width), 0 there.
        """
        count = len(self.corners)
        number = tf.shape(boxes)[0]
        boxes = boxes * self.size
        overlaps = self._overlaps(boxes)
        # The second row makes a maximum of no boxes: an overlap of nothing.
        closed = tf.concat([overlaps, tf.zeros([1, count])], axis=0)
        chosen = tf.argmax(closed, axis=0, output_type=tf.int32)
        matched = tf.reduce_max(closed, axis=0) >= self._threshold
        best = tf.argmax(overlaps, axis=1, output_type=tf.int32)
        # where two boxes have the same best anchor, it is the first's
        own = tf.math.unsorted_segment_min(tf.range(number), best, count)
        owned = own < number
        chosen = tf.where(owned, own, tf.where(matched, chosen, NOTHING))
        positive = tf.where(chosen != NOTHING)
        found = tf.gather(chosen, positive[:, 0])
        deltas = _deltas(tf.gather(boxes, found), tf.gather(tf.constant(self.corners), positive[:, 0]))
        return (
            tf.tensor_scatter_nd_update(tf.fill([count], NOTHING), positive, tf.gather(classes, found)),
            tf.scatter_nd(positive, deltas, [count, 4]),
        )

    def _overlaps(self, boxes: tf.Tensor) -> tf.Tensor:
        """IoU [n, A] of boxes [n, 4] in pixels with the anchors; anchors along the last axis, where loops are long."""
        top, left, bottom, right = self.corners.T
        y0, x0, y1, x1 = tf.split(boxes, 4, axis=1)
        heights = tf.maximum(tf.minimum(y1, bottom) - tf.maximum(y0, top), 0.0)
        widths = tf.maximum(tf.minimum(x1, right) - tf.maximum(x0, left), 0.0)
        shared = heights * widths
        return shared / ((y1 - y0) * (x1 - x0) + (bottom - top) * (right - left) - shared)


def _deltas(boxes: tf.Tensor, anchors: tf.Tensor) -> tf.Tensor:
    """Boxes [m, 4] as seen from their anchors [m, 4] (Faster R-CNN's encoding, https://arxiv.org/abs/1506.01497)."""
    centres, sides = _centres(boxes)
    from_centres, from_sides = _centres(anchors)
    return tf.concat([(centres - from_centres) / from_sides, tf.math.log(sides / from_sides)], axis=1)


def _centres(corners: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    start, end = corners[:, :2], corners[:, 2:]
    return (start + end) / 2, end - start
