"""Raw outputs of a detector as boxes and scores, in NumPy: what the original is compared by.

Written from the models' own papers and clients, apart from `isomer.graph.decoders`: a mistake in one is not in both.
"""

from __future__ import annotations

import numpy as np

from isomer.graph.decoders import Layout


def decode(layout: Layout, outputs: list[np.ndarray], height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes float32 [n, A, 4] (ymin, xmin, ymax, xmax, fractions of the input) and scores [n, A, C].

    Args:
        outputs: the tensors that the layout names, in its order.
        height: of the input, as `width`.
        width: in pixels.
    """
    outputs = [values.astype(np.float64) for values in outputs]
    if layout.anchors_last:
        outputs = [np.moveaxis(values, 1, -1) for values in outputs]
    n = len(outputs[0])
    if len(outputs) == 1:
        numbers = outputs[0][..., layout.first_box :][..., : layout.box_columns]
        scores = outputs[0][..., layout.first_score :]
    else:
        half = len(outputs) // 2
        numbers = np.concatenate([values.reshape(n, -1, layout.box_columns) for values in outputs[:half]], axis=1)
        columns = layout.classes + (layout.background != "none")
        scores = np.concatenate([values.reshape(n, -1, columns) for values in outputs[half:]], axis=1)
    scores = scores[..., : layout.classes + (layout.background != "none")]
    if layout.activation == "sigmoid":
        scores = 1 / (1 + np.exp(-scores))
    elif layout.activation == "softmax":
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores = powers / powers.sum(axis=-1, keepdims=True)
    if layout.background == "first":
        scores = scores[..., 1:]
    elif layout.background == "last":
        scores = scores[..., :-1]
    if layout.objectness is not None:
        scores = scores * outputs[0][..., [layout.objectness]]
    left, top, right, bottom = _sides(layout, numbers)
    boxes = np.stack([top, left, bottom, right], axis=-1)
    if layout.unit == "pixel":
        boxes = boxes / [height, width, height, width]
    return boxes.astype(np.float32), scores.astype(np.float32)


def _sides(layout: Layout, numbers: np.ndarray) -> tuple[np.ndarray, ...]:
    """Left, top, right and bottom, each [n, A]."""
    if layout.boxes == "distances":
        cell_x, cell_y, stride = layout.cells.astype(np.float64).T
        bins = numbers.reshape(*numbers.shape[:2], 4, layout.bins)
        shares = np.exp(bins - bins.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        left, top, right, bottom = np.moveaxis((shares * np.arange(layout.bins)).sum(axis=-1), -1, 0)
        return cell_x - left * stride, cell_y - top * stride, cell_x + right * stride, cell_y + bottom * stride
    a, b, c, d = np.moveaxis(numbers, -1, 0)
    if layout.boxes == "yxyx":
        return b, a, d, c
    if layout.boxes == "xyxy":
        return a, b, c, d
    if layout.boxes == "xywh":
        return a, b, a + c, b + d
    if layout.boxes == "grid":
        cell_x, cell_y, stride = layout.cells.astype(np.float64).T
        a, b, c, d = a * stride + cell_x, b * stride + cell_y, np.exp(c) * stride, np.exp(d) * stride
    elif layout.boxes == "priors":
        x, y, w, h = layout.anchors.astype(np.float64).T
        a, b, c, d = x + 0.1 * a * w, y + 0.1 * b * h, w * np.exp(0.2 * c), h * np.exp(0.2 * d)
    return a - c / 2, b - d / 2, a + c / 2, b + d / 2
