"""Open Images: a folder of pictures and SPLIT-annotations-bbox.csv for each split, and the classes' names.

https://storage.googleapis.com/openimages/web/download_v7.html#df-bbox-annotations
Classes have no Freebase ids here: /isomer/1 stands for the first, and class-descriptions-boxable.csv names it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from isomer import files
from isomer.dataset.canonical import Picture, Split
from isomer.dataset.exports.layout import Put, corners, folder_for, stems, suffix

NAME = "openimages"
WRITES = "SPLIT-annotations-bbox.csv, class-descriptions-boxable.csv, and a folder of pictures for each split"
KEEPS_CROWDS = True
SPLITS = {"train": "train", "val": "validation", "test": "test"}
COLUMNS = (
    *("ImageID", "Source", "LabelName", "Confidence", "XMin", "XMax", "YMin", "YMax"),
    *("IsOccluded", "IsTruncated", "IsGroupOf", "IsDepiction", "IsInside"),
)


def write(splits: Sequence[Split], folder: Path, put: Put) -> None:
    names = stems(picture for split in splits for picture in split.pictures)
    for split in splits:
        name = SPLITS[split.name]
        pictures = folder_for(folder, name)
        rows: list[tuple] = []
        for picture in split.pictures:
            stem = names[picture.file_name]
            put(split.path(picture), pictures / f"{stem}{suffix(picture)}")
            rows += content(picture, stem)
        files.write_text(folder / f"{name}-annotations-bbox.csv", _csv([COLUMNS, *rows]))
    labels = [(_label(number), label) for number, label in enumerate(splits[0].classes, start=1)]
    files.write_text(folder / "class-descriptions-boxable.csv", _csv(labels))


def content(picture: Picture, image_id: str) -> list[tuple]:
    """A row a box, in fractions of the picture."""
    rows = []
    for box in picture.boxes:
        xmin, ymin, xmax, ymax = corners(box)
        edges = (xmin / picture.width, xmax / picture.width, ymin / picture.height, ymax / picture.height)
        fractions = (f"{min(value, 1):.8f}" for value in edges)
        rows.append((image_id, "isomer", _label(box.category), 1, *fractions, 0, 0, int(box.crowd), 0, 0))
    return rows


def _label(category: int) -> str:
    return f"/isomer/{category}"


def _csv(rows: Iterable[Sequence]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()
