"""What several models found in one picture, side by side, each under its name."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw

from isomer.drawing import label_font

BACKGROUND, INK = (24, 24, 27), (244, 244, 245)


def beside(images: Sequence[Image.Image], titles: Sequence[str]) -> Image.Image:
    """Pictures of one size as one: two in a row, more in a square; a single one as it is."""
    if len(images) == 1:
        return images[0]
    width, height = images[0].size
    font = label_font(min(images[0].size))
    bar = round(font.size * 1.6)
    columns = math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    whole = Image.new("RGB", (columns * width, rows * (height + bar)), BACKGROUND)
    pen = ImageDraw.Draw(whole)
    for number, (image, title) in enumerate(zip(images, titles, strict=True)):
        row, column = divmod(number, columns)
        left, top = column * width, row * (height + bar)
        pen.text((left + bar // 3, top + bar // 2), title, fill=INK, font=font, anchor="lm")
        whole.paste(image, (left, top + bar))
    return whole
