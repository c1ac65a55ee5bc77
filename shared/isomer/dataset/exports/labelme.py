"""LabelMe: a JSON beside each picture, a folder for each split. https://github.com/wkentaro/labelme"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from isomer import files
from isomer.dataset.canonical import Picture, Split
from isomer.dataset.exports.layout import Put, corners, folder_for, stems, suffix

NAME = "labelme"
WRITES = "SPLIT/ with the pictures and a .json beside each"
KEEPS_CROWDS = False
VERSION = "5.5.0"  # of LabelMe, whose later versions read it too


def write(splits: Sequence[Split], folder: Path, put: Put) -> None:
    names = stems(picture for split in splits for picture in split.pictures)
    for split in splits:
        place = folder_for(folder, split.name)
        for picture in split.pictures:
            file_name = f"{names[picture.file_name]}{suffix(picture)}"
            put(split.path(picture), place / file_name)
            text = files.to_json(content(picture, file_name, split.classes))
            (place / f"{names[picture.file_name]}.json").write_text(text)


def content(picture: Picture, file_name: str, classes: Sequence[str]) -> dict:
    """The JSON of one picture: a rectangle a box."""
    shapes = []
    for box in picture.boxes:
        xmin, ymin, xmax, ymax = corners(box)
        shapes.append(
            {
                "label": classes[box.category - 1],
                "points": [[xmin, ymin], [xmax, ymax]],
                "group_id": None,
                "description": "",
                "shape_type": "rectangle",
                "flags": {},
            }
        )
    return {
        "version": VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": file_name,
        "imageData": None,
        "imageHeight": picture.height,
        "imageWidth": picture.width,
    }
