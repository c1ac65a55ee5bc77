"""Pictures as a camera makes them, for benchmarks that read pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from isomer.dataset import canonical, shapes
from isomer.dataset.canonical import Box, Picture


def photographs(folder: Path, count: int, height: int, width: int) -> canonical.Dataset:
    """A dataset of drawn shapes as JPEG pictures of a camera's size, in `train`; a few of them in `val`."""
    (folder / canonical.IMAGES).mkdir(parents=True)
    pictures = []
    for index in range(count):
        drawing = shapes.draw(0, "train", index)
        down, right = (side / old for side, old in zip((height, width), drawing.pixels.shape[:2], strict=True))
        name = f"{index:05}.jpg"
        image = Image.fromarray(drawing.pixels).resize((width, height), Image.Resampling.BICUBIC)
        # a camera's noise, without which a JPEG is smaller and faster to decode than a photograph
        noise = np.random.default_rng(index).normal(0, 6, (height, width, 3))
        noisy = (np.asarray(image) + noise).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / canonical.IMAGES / name, quality=90)
        boxes = [
            Box(box.category, box.x * right, box.y * down, box.width * right, box.height * down)
            for box in drawing.boxes
        ]
        pictures.append(Picture(0, name, width, height, tuple(boxes)))
    return canonical.write(folder, shapes.CLASSES, {"train": tuple(pictures), "val": tuple(pictures[:1])}, {})
