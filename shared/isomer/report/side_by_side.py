"""Pictures as files: ground truth and every detector beside each other, for a slide or a letter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from isomer import files
from isomer.dataset.canonical import Picture, Split
from isomer.drawing import draw
from isomer.native import Detections
from isomer.report.gallery import Detector

GAP = 12  # pixels between panels
TITLE = 34  # height of the line above a panel
JPEG_QUALITY = 88


def write_pictures(
    folder: Path, split: Split, pictures: Sequence[Picture], detectors: Sequence[Detector], threshold: float
) -> None:
    """One file for each picture, under its own name; a folder of an earlier report is replaced."""
    with files.replacing_folder(folder) as temporary:
        for picture in pictures:
            name = picture.file_name.replace("/", "_")
            _side_by_side(split, picture, detectors, threshold).save(temporary / name, quality=JPEG_QUALITY)


def _side_by_side(split: Split, picture: Picture, detectors: Sequence[Detector], threshold: float) -> Image.Image:
    pixels = split.load(picture)
    boxes = [(box.x, box.y, box.width, box.height, box.category, 0) for box in picture.boxes]
    panels = [("ground truth", draw(pixels, _found(picture, boxes), split.classes, with_scores=False))]
    for detector in detectors:
        own = [one for one in detector.results if one["image_id"] == picture.id and one["score"] > threshold]
        rows = [(*one["bbox"], one["category_id"], one["score"]) for one in sorted(own, key=lambda one: -one["score"])]
        panels.append((detector.label, draw(pixels, _found(picture, rows), split.classes)))
    width, height = panels[0][1].size
    sheet = Image.new("RGB", ((width + GAP) * len(panels) - GAP, height + TITLE), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(20)
    for index, (title, image) in enumerate(panels):
        left = index * (width + GAP)
        pen.text((left, 4), title, fill="black", font=font)
        sheet.paste(image, (left, TITLE))
    return sheet


def _found(picture: Picture, rows: Sequence[tuple]) -> Detections:
    """x, y, width, height, class and score of each box, in pixels, as detections."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    size = np.array([picture.height, picture.width] * 2, np.float32)
    corners = np.stack([table[:, 1], table[:, 0], table[:, 1] + table[:, 3], table[:, 0] + table[:, 2]], axis=1)
    return Detections(boxes=corners / size, classes=table[:, 4].astype(int), scores=table[:, 5])
