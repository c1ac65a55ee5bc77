"""COCO detection JSON: annotations/instances_SPLIT.json beside a folder of pictures for each split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from isomer import files
from isomer.dataset.canonical import Split
from isomer.dataset.exports.layout import Put, folder_for

NAME = "coco"
WRITES = "annotations/instances_SPLIT.json, and SPLIT/ with its pictures"
KEEPS_CROWDS = True


def write(splits: Sequence[Split], folder: Path, put: Put) -> None:
    for split in splits:
        pictures = folder_for(folder, split.name)
        for picture in split.pictures:
            put(split.path(picture), pictures / picture.file_name)
        files.write_json(folder / "annotations" / f"instances_{split.name}.json", content(split))


def content(split: Split) -> dict:
    """The split's COCO value, with the keys that some readers ask for whatever they hold."""
    coco = split.to_coco()
    for item in coco["annotations"]:
        item["segmentation"] = []
    for item in coco["categories"]:
        item["supercategory"] = "none"
    return {"info": {"description": f"{split.folder.name} {split.name}"}, "licenses": [], **coco}
