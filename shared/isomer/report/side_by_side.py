"""The page's pictures as files: ground truth and every detector beside each other, for a slide or a letter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from isomer import files
from isomer.drawing import draw
from isomer.native import Detections
from isomer.report.collect import Collected
from isomer.report.pictures import Panel, Shown

GAP = 12  # pixels between panels
TITLE = 34  # height of the line above a panel
JPEG_QUALITY = 88


def write_pictures(folder: Path, collected: Collected, shown: list[Shown]) -> None:
    """One file for each picture, under its own name; a folder of an earlier report is replaced."""
    with files.replacing_folder(folder) as temporary:
        for item in shown:
            name = item.picture.file_name.replace("/", "_")
            _side_by_side(collected, item).save(temporary / name, quality=JPEG_QUALITY)


def _side_by_side(collected: Collected, shown: Shown) -> Image.Image:
    pixels = collected.split.load(shown.picture)
    drawn = [
        draw(pixels, _found(shown, panel), collected.dataset.classes, panel.colour is not None)
        for panel in shown.panels
    ]
    width, height = drawn[0].size
    sheet = Image.new("RGB", ((width + GAP) * len(drawn) - GAP, height + TITLE), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(20)
    for index, (panel, image) in enumerate(zip(shown.panels, drawn, strict=True)):
        left = index * (width + GAP)
        pen.text((left, 4), panel.title, fill="black", font=font)
        sheet.paste(image, (left, TITLE))
    return sheet


def _found(shown: Shown, panel: Panel) -> Detections:
    """What a panel shows, but for what its detector missed."""
    frames = sorted((frame for frame in panel.frames if frame.kind != "missed"), key=lambda frame: -(frame.score or 0))
    size = np.array([shown.picture.height, shown.picture.width] * 2, np.float32)
    corners = [(frame.y, frame.x, frame.y + frame.height, frame.x + frame.width) for frame in frames]
    return Detections(
        boxes=np.array(corners, np.float32).reshape(-1, 4) / size,
        classes=np.array([frame.category for frame in frames], int),
        scores=np.array([frame.score or 0 for frame in frames], np.float32),
    )
