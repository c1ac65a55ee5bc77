"""YOLO as Ultralytics reads it: images/SPLIT/, labels/SPLIT/ with a text file a picture, and data.yaml.

https://docs.ultralytics.com/datasets/detect/
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from isomer import files
from isomer.dataset.canonical import Picture, Split
from isomer.dataset.exports.layout import Put, folder_for, stems, suffix

NAME = "yolo"
WRITES = "images/SPLIT/, labels/SPLIT/ with a .txt a picture, data.yaml"
KEEPS_CROWDS = False


def write(splits: Sequence[Split], folder: Path, put: Put) -> None:
    names = stems(picture for split in splits for picture in split.pictures)
    for split in splits:
        pictures, labels = folder_for(folder, "images", split.name), folder_for(folder, "labels", split.name)
        for picture in split.pictures:
            stem = names[picture.file_name]
            put(split.path(picture), pictures / f"{stem}{suffix(picture)}")
            (labels / f"{stem}.txt").write_text(content(picture))
    # without `path`, the folders are taken relative to this file wherever it lies
    about = {split.name: f"images/{split.name}" for split in splits}
    about |= {"nc": len(splits[0].classes), "names": list(splits[0].classes)}
    files.write_text(folder / "data.yaml", yaml.safe_dump(about, sort_keys=False, allow_unicode=True))


def content(picture: Picture) -> str:
    """A line a box: class from 0, centre x and y, width, height, in fractions of the picture."""
    lines = []
    for box in picture.boxes:
        centre = (box.x + box.width / 2) / picture.width, (box.y + box.height / 2) / picture.height
        row = *centre, box.width / picture.width, box.height / picture.height
        lines.append(" ".join((str(box.category - 1), *(f"{value:.8f}" for value in row))) + "\n")
    return "".join(lines)
