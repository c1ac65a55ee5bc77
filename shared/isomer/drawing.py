"""Detections drawn into pictures: a frame and a label each, one colour a class."""

from __future__ import annotations

import colorsys
import functools
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from isomer.native import Detections

READABLE = 480  # a picture whose shorter side is less is enlarged, or its labels would cover it
LARGEST = 4096  # but not a long strip to more than this
GOLDEN_RATIO = 0.618033988749895  # steps of it around the colour wheel never come close to one another


def class_colour(number: int) -> tuple[int, int, int]:
    """The colour of class `number` (from 1): the same in every picture, far from its neighbours'."""
    red, green, blue = colorsys.hsv_to_rgb((0.58 + number * GOLDEN_RATIO) % 1, 0.85, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


@functools.lru_cache(maxsize=8)  # reading the font takes longer than drawing with it
def label_font(shorter_side: int) -> ImageFont.FreeTypeFont:
    """The font for labels in a picture whose shorter side is so many pixels."""
    return ImageFont.load_default(max(13, round(shorter_side / 36)))


def draw(
    pixels: np.ndarray,
    found: Detections,
    classes: tuple[str, ...],
    with_scores: bool = True,
    numbers: Sequence[int] | None = None,
) -> Image.Image:
    """A picture, uint8 [height, width, 3] RGB, with its detections; the best are drawn last, on top.

    Args:
        numbers: of the objects, one a detection.
    """
    image = Image.fromarray(pixels)
    scale = max(1, min(-(-READABLE // min(image.size)), LARGEST // max(image.size)))
    if scale > 1:
        image = image.resize((image.width * scale, image.height * scale), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(image)
    line = max(2, round(min(image.size) / 240))
    font = label_font(min(image.size))
    prefixes = [""] * len(found.scores) if numbers is None else [f"#{number} " for number in numbers]
    rows = list(zip(found.boxes, found.classes, found.scores, prefixes, strict=True))
    for box, number, score, prefix in reversed(rows):
        top, left, bottom, right = box * (image.height, image.width, image.height, image.width)
        colour = class_colour(int(number))
        pen.rectangle((left, top, max(left, right), max(top, bottom)), outline=colour, width=line)
        text = prefix + classes[int(number) - 1] + (f" {score:.2f}" if with_scores else "")
        _label(pen, image.size, left, top, text, colour, font)
    return image


def _label(pen: ImageDraw.ImageDraw, size: tuple[int, int], left: float, top: float, text, colour, font) -> None:
    """A filled tag above the box, or inside it where the picture ends; the text is black or white, whichever reads."""
    x0, y0, x1, y1 = pen.textbbox((0, 0), text, font=font)
    width, height = x1 - x0 + 6, y1 - y0 + 6
    left = min(max(left, 0), max(size[0] - width, 0))
    top = top - height if top >= height else max(top, 0)
    pen.rectangle((left, top, left + width, top + height), fill=colour)
    bright = np.dot(colour, (0.299, 0.587, 0.114)) > 140
    pen.text((left + 3 - x0, top + 3 - y0), text, fill="black" if bright else "white", font=font)
