"""Drawn pictures with exact boxes: circles, squares and triangles on textured backgrounds.

A picture follows from (seed, split, index) alone, so any of them can be drawn again by itself and a dataset with
more pictures begins with those of a smaller one.
"""

from __future__ import annotations

import colorsys
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from isomer.dataset.canonical import SPLITS, Box

CLASSES = ("circle", "square", "triangle")
# Height and width. Several, so that whatever resizes or normalises boxes is tried on all of them.
SIZES = ((240, 320), (320, 240), (256, 256), (216, 288), (270, 360))
OBJECT_SIDE = (0.16, 0.5)  # an object's size before rotation, of the picture's shorter side
MAX_OBJECTS = 5
NEGATIVES = 0.05  # share of pictures without an object
MAX_COVERED = 0.1  # two boxes share at most this part of the smaller one
CONTRAST = 90.0  # least distance of an object's colour from the background's mean, in grey levels (RGB, Euclidean)
SUPERSAMPLING = 4  # an object's edge is drawn so many times larger and averaged
JPEG_QUALITY = 90


@dataclass(frozen=True)
class Drawing:
    """pixels: uint8 [height, width, 3], RGB; boxes enclose the drawn polygons exactly."""

    pixels: np.ndarray
    boxes: tuple[Box, ...]

    def to_jpeg(self) -> bytes:
        stream = io.BytesIO()
        Image.fromarray(self.pixels).save(stream, "JPEG", quality=JPEG_QUALITY)
        return stream.getvalue()


def draw(seed: int, split: str, index: int) -> Drawing:
    """The picture number `index` (from 0) of a split."""
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    height, width = SIZES[rng.integers(len(SIZES))]
    image = _background(rng, height, width)
    mean = np.asarray(image)[::4, ::4].mean(axis=(0, 1), dtype=np.float32)
    boxes: list[Box] = []
    wanted = 0 if rng.random() < NEGATIVES else int(rng.integers(1, MAX_OBJECTS + 1))
    for _ in range(wanted):
        category = int(rng.integers(len(CLASSES))) + 1
        placed = _place(rng, category, height, width, boxes)
        if placed is None:
            continue
        polygon, box = placed
        boxes.append(box)
        left, top = np.floor(polygon.min(axis=0)).astype(int)
        mask = _mask(polygon - (left, top))
        image.paste(_fill(rng, mean, mask.height, mask.width), (int(left), int(top)), mask)
    noise = rng.standard_normal((height, width, 1), np.float32) * np.float32(rng.uniform(1, 6))
    pixels = np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
    return Drawing(pixels, tuple(boxes))


def outline(category: int) -> np.ndarray:
    """A class's polygon, float [points, 2] as x, y, centred, within a side of 1."""
    if CLASSES[category - 1] == "square":
        return np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    corners, radius, start = (3, 0.577, -np.pi / 2) if CLASSES[category - 1] == "triangle" else (96, 0.5, 0.0)
    angles = start + np.arange(corners) * 2 * np.pi / corners
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _place(
    rng: np.random.Generator, category: int, height: int, width: int, boxes: list[Box]
) -> tuple[np.ndarray, Box] | None:
    """A turned and scaled polygon inside the picture that leaves the other boxes free, or None after some tries."""
    for _ in range(20):
        low, high = OBJECT_SIDE
        side = min(height, width) * low * (high / low) ** rng.random()  # small ones as often as large ones
        stretch = rng.uniform(0.92, 1.08)
        polygon = outline(category) * side * np.array([stretch, 1 / stretch])
        angle = rng.uniform(0, 2 * np.pi)
        cosine, sine = np.cos(angle), np.sin(angle)
        polygon = polygon @ np.array([[cosine, sine], [-sine, cosine]])
        least, most = polygon.min(axis=0), polygon.max(axis=0)
        free = np.array([width, height]) - (most - least)
        if (free <= 0).any():
            continue
        # hundredths of a pixel: the JSON stays readable, the box stays exact because the polygon moves with it
        corner = np.floor(rng.uniform(0, free) * 100) / 100
        polygon = polygon - least + corner
        x, y, w, h = (round(float(value), 2) for value in (*corner, *(most - least)))
        box = Box(category, x, y, min(w, width - x), min(h, height - y))
        if all(_covered(box, other) <= MAX_COVERED for other in boxes):
            return polygon, box
    return None


def _covered(a: Box, b: Box) -> float:
    """The part of the smaller box that both share."""
    w = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    h = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    return max(w, 0) * max(h, 0) / min(a.width * a.height, b.width * b.height)


def _background(rng: np.random.Generator, height: int, width: int) -> Image.Image:
    """A cloudy colour field of two scales, crossed by a few thin lines that are no objects."""
    base = rng.uniform(50, 205, 3)
    clouds = _enlarged(base + rng.normal(0, 30, (3, 3, 3)), height, width)
    grain = _enlarged(rng.normal(0, 14, (24, 24, 3)), height, width)
    image = Image.fromarray(np.clip(clouds + grain, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(rng.integers(0, 5)):
        ends = rng.uniform(0, 1, 4) * (width, height, width, height)
        pen.line(ends.tolist(), fill=_colour(rng), width=int(rng.integers(1, 4)))
    return image


def _enlarged(grid: np.ndarray, height: int, width: int) -> np.ndarray:
    """A coarse grid [rows, columns, channels] as a smooth field [height, width, channels]."""
    channels = [Image.fromarray(grid[..., channel].astype(np.float32)) for channel in range(grid.shape[2])]
    return np.stack([np.asarray(one.resize((width, height), Image.Resampling.BICUBIC)) for one in channels], axis=2)


def _fill(rng: np.random.Generator, background: np.ndarray, height: int, width: int) -> Image.Image:
    """What an object is filled with: a colour that stands out from the background, with its own slow shading."""
    colour = np.array(_colour(rng), np.float32)
    while np.linalg.norm(colour - background) < CONTRAST:
        colour = np.array(_colour(rng), np.float32)
    shading = _enlarged(rng.normal(0, 14, (4, 4, 1)), height, width)
    return Image.fromarray(np.clip(colour + shading, 0, 255).astype(np.uint8))


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.2, 1.0), rng.uniform(0.15, 1.0))
    return round(red * 255), round(green * 255), round(blue * 255)


def _mask(polygon: np.ndarray) -> Image.Image:
    """The coverage of every pixel by a polygon that lies near the origin, grey."""
    width, height = np.ceil(polygon.max(axis=0)).astype(int).tolist()
    large = Image.new("L", (width * SUPERSAMPLING, height * SUPERSAMPLING))
    # Pillow's coordinates are pixel centres, the polygon's are pixel edges
    ImageDraw.Draw(large).polygon([tuple(point) for point in polygon * SUPERSAMPLING - 0.5], fill=255)
    return large.reduce(SUPERSAMPLING)
