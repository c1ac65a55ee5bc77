"""Zooming out and cropping, as SSD is trained: a window into the picture's pixels, taken before they are resized.

The window is sampled as torchvision.transforms.v2's RandomZoomOut and RandomIoUCrop sample theirs
(https://arxiv.org/abs/1512.02325, 2.2 and 3.6), but a zoomed-out picture is never made: of a photograph it would have
hundreds of megabytes. Only the pixels that the resized picture needs are looked up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

ZOOM_OUT_CHANCE = 0.5
LARGEST_ZOOM_OUT = 4.0  # times the picture's sides
LEAST_OVERLAPS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, None)  # of a crop with its best box; None: no crop
CROP_SIDES = (0.3, 1.0)  # of the picture's
CROP_RATIOS = (0.5, 2.0)  # width to height, as shares of the picture's sides
TRIALS = 40
LEAST_SIDE = 1.0  # pixels: less of a box is no box


@dataclass(frozen=True)
class Window:
    """A rectangle of whole pixels in a picture's coordinates; it may be larger than the picture."""

    x: int
    y: int
    width: int
    height: int

    def place(self, boxes: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Boxes [M, 4] (xmin, ymin, xmax, ymax, pixels) whose centres are in here, cut off at the edges, as fractions
        of the window [K, 4] (cx, cy, w, h); and their classes [K]."""
        corners = boxes - (self.x, self.y, self.x, self.y)
        centres = (corners[:, :2] + corners[:, 2:]) / 2
        sides = np.array([self.width, self.height], dtype=np.float64)
        inside = ((centres >= 0) & (centres <= sides)).all(axis=1)
        corners = corners.clip(0, [*sides, *sides])
        large = (corners[:, 2:] - corners[:, :2] >= np.minimum(LEAST_SIDE, boxes[:, 2:] - boxes[:, :2])).all(axis=1)
        kept = corners[inside & large] / [*sides, *sides]
        placed = np.concatenate([(kept[:, :2] + kept[:, 2:]) / 2, kept[:, 2:] - kept[:, :2]], axis=1)
        return placed, classes[inside & large]


def draw(rng: np.random.Generator, width: int, height: int, boxes: np.ndarray) -> Window:
    """A window into a picture of this size with boxes [M, 4] (xmin, ymin, xmax, ymax, pixels)."""
    canvas = Window(0, 0, width, height)
    if rng.random() < ZOOM_OUT_CHANCE:
        zoom = rng.uniform(1, LARGEST_ZOOM_OUT)
        wide, high = int(width * zoom), int(height * zoom)
        canvas = Window(-int(rng.uniform(0, wide - width)), -int(rng.uniform(0, high - height)), wide, high)
    return _crop(rng, canvas, boxes) if len(boxes) else canvas


def _crop(rng: np.random.Generator, canvas: Window, boxes: np.ndarray) -> Window:
    """A part of the canvas that shows enough of at least one box; the canvas where none is found."""
    while True:
        least = LEAST_OVERLAPS[rng.integers(len(LEAST_OVERLAPS))]
        if least is None:
            return canvas
        for _ in range(TRIALS):
            share_x, share_y = rng.uniform(*CROP_SIDES, 2)
            wide, high = int(canvas.width * share_x), int(canvas.height * share_y)
            if not CROP_RATIOS[0] <= share_x / share_y <= CROP_RATIOS[1] or min(wide, high) < 1:
                continue
            left = canvas.x + int((canvas.width - wide) * rng.random())
            top = canvas.y + int((canvas.height - high) * rng.random())
            window = Window(left, top, wide, high)
            overlaps = _overlaps(boxes, window)
            if len(overlaps) and overlaps.max() >= least:
                return window


def _overlaps(boxes: np.ndarray, window: Window) -> np.ndarray:
    """IoU with the window of those boxes whose centres are in it."""
    edges = np.array([window.x, window.y, window.x + window.width, window.y + window.height], dtype=np.float64)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    found = boxes[((centres > edges[:2]) & (centres < edges[2:])).all(axis=1)]
    common = (np.minimum(found[:, 2:], edges[2:]) - np.maximum(found[:, :2], edges[:2])).clip(0).prod(axis=1)
    areas = (found[:, 2:] - found[:, :2]).prod(axis=1)
    return common / (areas + window.width * window.height - common)


def look(pixels: Tensor, window: Window, size: int, fill: tuple[float, float, float]) -> Tensor:
    """The window's pixels resized by the contract's rule.

    Args:
        pixels: uint8 [height, width, 3].
        fill: grey levels beyond the picture, rounded as a picture's are.

    Returns:
        float32 [1, 3, size, size], grey levels, channels last in memory.
    """
    rows, columns = (_Axis(*axis, size) for axis in _axes(window, pixels))
    image = torch.empty(size, size, 3)
    for channel, level in enumerate(fill):
        image[..., channel] = round(level)
    four = pixels.index_select(0, rows.taps).index_select(1, columns.taps)
    if rows.outside.any() or columns.outside.any():
        colour = torch.tensor(fill).round().to(torch.uint8)
        four[rows.outside] = colour
        four[:, columns.outside] = colour
    four = four.float()
    lines = torch.lerp(four[: rows.count], four[rows.count :], rows.weights[:, None, None])
    image[rows.touching, columns.touching] = torch.lerp(
        lines[:, : columns.count], lines[:, columns.count :], columns.weights[:, None]
    )
    return image.permute(2, 0, 1)[None]


def _axes(window: Window, pixels: Tensor) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Start, length and the picture's limit, down and across."""
    return (window.y, window.height, pixels.shape[0]), (window.x, window.width, pixels.shape[1])


class _Axis:
    """Along one axis, the two pixels that each resized one lies between: for those that touch the picture.

    touching: the slice of them, `count` in number. weights [count]: of the second of the two. taps [2 count]: indices,
    all first ones, then all second ones, cut off at the picture. outside [2 count]: which of them were beyond it.
    """

    def __init__(self, start: int, length: int, limit: int, size: int) -> None:
        places = ((torch.arange(size, dtype=torch.float64) + 0.5) * (length / size) - 0.5).clamp(min=0)
        first = places.long().clamp(max=length - 1)
        second = (first + 1).clamp(max=length - 1)
        inside = torch.nonzero((second + start >= 0) & (first + start < limit)).flatten()
        self.touching = slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0, 0)
        self.weights = (places - first).float()[self.touching]
        self.count = len(self.weights)
        taps = torch.cat([first[self.touching], second[self.touching]]) + start
        self.taps, self.outside = taps.clamp(0, limit - 1), (taps < 0) | (taps >= limit)
