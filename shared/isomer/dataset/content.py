"""What a canonical dataset's sha256 covers, and how its files are named and written. Standard library only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from isomer import files

SPLITS = ("train", "val", "test")
IMAGES = "images"


def found_sha256(folder: Path) -> str:
    """The sha256 of a dataset as its files are now, whatever its dataset.json says; every picture is read.

    Raises:
        OSError, ValueError, KeyError: a file is missing or damaged.
    """
    about = json.loads((folder / "dataset.json").read_text())
    cocos = {name: json.loads((folder / f"{name}.json").read_text()) for name in SPLITS}
    return content_sha256(folder, [item["name"] for item in about["classes"]], cocos)


def coco_text(coco: dict) -> str:
    """A COCO value as it is written: a record a line, byte-identical each time."""
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
    parts = (f'"{key}": [\n' + ",\n".join(map(encode, items)) + "\n]" for key, items in coco.items())
    return "{\n" + ",\n".join(parts) + "\n}\n"


def content_sha256(folder: Path, classes: Sequence[str], cocos: dict[str, dict]) -> str:
    """The hash over classes, the splits' COCO values and the bytes of their pictures, which are read for it."""
    return sha256_of(classes, {name: split_content(folder, coco_text(coco), coco, {}) for name, coco in cocos.items()})


def split_content(folder: Path, text: str, coco: dict, known: dict[str, str]) -> list:
    """What the dataset's hash covers of one split: the hash of its file, and those of its pictures."""
    names = (item["file_name"] for item in coco["images"])
    return [
        hashlib.sha256(text.encode()).hexdigest(),
        [known.get(name) or files.sha256_of_file(folder / IMAGES / name) for name in names],
    ]


def sha256_of(classes: Sequence[str], content: dict[str, list]) -> str:
    """A dataset's sha256 from its classes, in order, and the `split_content` of each split."""
    return hashlib.sha256(files.to_json({"classes": classes, "splits": content}).encode()).hexdigest()
