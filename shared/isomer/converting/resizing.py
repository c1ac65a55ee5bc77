"""The contract's resizing in NumPy: what the head does, for originals whose graph takes pictures of one size only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isomer.contract import Preprocessing, Resize


@dataclass(frozen=True)
class Placed:
    """A picture as large as a graph wants it.

    pixels: float32 [height, width, 3], grey levels; where the picture does not reach, those of its edge.
    rows, columns: where the picture lies in it.
    """

    pixels: np.ndarray
    rows: slice
    columns: slice

    def boxes_in_picture(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes [..., 4] (ymin, xmin, ymax, xmax) as fractions of the whole, as fractions of the picture in it."""
        sides = np.tile(self.pixels.shape[:2], 2).astype(np.float32)
        starts = np.tile([self.rows.start, self.columns.start], 2).astype(np.float32)
        lengths = np.tile([self.rows.stop - self.rows.start, self.columns.stop - self.columns.start], 2)
        return ((boxes * sides - starts) / lengths.astype(np.float32)).astype(np.float32)


def place(pixels: np.ndarray, height: int, width: int, resize: Resize) -> Placed:
    """A picture [h, w, 3] resized to height and width: bilinear, without antialiasing, on float pixels."""
    sides = [(length, size) for length, size in zip(pixels.shape[:2], (height, width), strict=True)]
    axes = []
    for (length, size), (other_length, other_size) in zip(sides, sides[::-1], strict=True):
        new, offset = size, 0
        if resize.mode == "letterbox":
            # as the other axis is scaled when that one fills the input, rounded
            new = min(max((2 * length * other_size + other_length) // (2 * other_length), 1), size)
            offset = (size - new) // 2 if resize.place == "center" else 0
        axes.append((length, size, new, offset))
    grey = pixels.astype(np.float32)
    for axis, values in enumerate(axes):
        before, after, weight = _neighbours(*values, resize.coordinates)
        weight = weight[:, None, None] if axis == 0 else weight[None, :, None]
        first = grey.take(before, axis)
        grey = first + (grey.take(after, axis) - first) * weight
    rows, columns = (slice(offset, offset + new) for _, _, new, offset in axes)
    return Placed(grey, rows, columns)


def prepare(pixels: np.ndarray, how: Preprocessing) -> tuple[np.ndarray, Placed]:
    """One picture [h, w, 3] as a graph takes it, normalised, float32 in its layout without a batch; where it lies."""
    placed = place(pixels, how.height, how.width, how.resize)
    mean, std = np.array(how.mean, np.float32), np.array(how.std, np.float32)
    grey = placed.pixels
    if how.resize.mode == "letterbox":
        covered = np.zeros(grey.shape[:2], bool)
        covered[placed.rows, placed.columns] = True
        around = mean if how.resize.pad is None else np.float32(how.resize.pad)
        grey = np.where(covered[..., None], grey, around)
    values = ((grey - mean) / std).astype(np.float32)
    values = values[..., ::-1] if how.channels == "bgr" else values
    return (np.moveaxis(values, -1, 0) if how.layout == "NCHW" else values), placed


def _neighbours(length: int, size: int, new: int, offset: int, coordinates: str):
    """Along one axis, for each of `size` pixels: index before, index after, weight of the one after."""
    places = np.arange(size, dtype=np.float32) - np.float32(offset)
    if coordinates == "align_corners":
        scale = np.float32(length - 1) / np.float32(max(new - 1, 1))
    else:
        scale = np.float32(length) / np.float32(new)
    source = (places + np.float32(0.5)) * scale - np.float32(0.5) if coordinates == "half_pixel" else places * scale
    source = np.clip(source, 0, length - 1)
    before = np.floor(source).astype(int)
    return before, np.minimum(before + 1, length - 1), source - before
