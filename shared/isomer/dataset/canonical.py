"""Reading and writing the canonical dataset.

    datasets/NAME/   images/  train.json  val.json  test.json (COCO)  dataset.json

The COCO files hold `images` (id, file_name relative to images/, width, height), `annotations` (id, image_id,
category_id, bbox [x, y, width, height] in pixels, area, iscrowd) and `categories` (id from 1, name).
Every picture is upright RGB or grey JPEG or PNG, as an importer left it; a picture without annotations is a
negative. Format: https://cocodataset.org/#format-data
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from isomer import files
from isomer.dataset.content import IMAGES, SPLITS, coco_text, sha256_of, split_content
from isomer.dataset.source import some
from isomer.errors import UserError


@dataclass(frozen=True, slots=True)
class Box:
    """A labelled rectangle in pixels; `category` counts from 1."""

    category: int
    x: float
    y: float
    width: float
    height: float
    crowd: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a split and its boxes; `id` is unique within the split's file and counts from 1."""

    id: int
    file_name: str
    width: int
    height: int
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True)
class Split:
    """One split of a dataset in `folder`, with class names in the order of their ids (the first is 1)."""

    name: str
    folder: Path
    classes: tuple[str, ...]
    pictures: tuple[Picture, ...]

    def path(self, picture: Picture) -> Path:
        return self.folder / IMAGES / picture.file_name

    def load(self, picture: Picture) -> np.ndarray:
        """The pixels, uint8 [height, width, 3], RGB: what the framework, the gate and ONNX Runtime all get."""
        return load_rgb(self.path(picture))

    def to_coco(self) -> dict:
        """The split as a COCO ground truth."""
        annotations = [
            {
                "id": 0,
                "image_id": picture.id,
                "category_id": box.category,
                "bbox": [box.x, box.y, box.width, box.height],
                "area": box.width * box.height,
                "iscrowd": int(box.crowd),
            }
            for picture in self.pictures
            for box in picture.boxes
        ]
        for number, annotation in enumerate(annotations, start=1):
            annotation["id"] = number
        return {
            "images": [
                {"id": picture.id, "file_name": picture.file_name, "width": picture.width, "height": picture.height}
                for picture in self.pictures
            ],
            "annotations": annotations,
            "categories": [{"id": number, "name": name} for number, name in enumerate(self.classes, start=1)],
        }


@dataclass(frozen=True)
class Dataset:
    """What dataset.json says; `splits` maps a split's name to its numbers of pictures and boxes."""

    name: str
    folder: Path
    classes: tuple[str, ...]
    sha256: str
    about: dict = field(default_factory=dict)

    def split(self, name: str) -> Split:
        """Read one split.

        Raises:
            UserError: it has no pictures, so nothing can be trained or measured on it.
        """
        path = self.folder / f"{name}.json"
        if not path.is_file():
            raise UserError(f"dataset {self.name!r} has no {name} split ({path} is not there): import it with --split")
        coco = json.loads(path.read_text())
        boxes: dict[int, list[Box]] = {}
        for item in coco["annotations"]:
            box = Box(item["category_id"], *item["bbox"], crowd=bool(item["iscrowd"]))
            boxes.setdefault(item["image_id"], []).append(box)
        pictures = tuple(
            Picture(item["id"], item["file_name"], item["width"], item["height"], tuple(boxes.get(item["id"], ())))
            for item in coco["images"]
        )
        if not pictures:
            raise UserError(f"the {name} split of dataset {self.name!r} is empty: give it a share with --split")
        return Split(name, self.folder, self.classes, pictures)


def load_rgb(path: Path) -> np.ndarray:
    """A picture file as uint8 [height, width, 3], RGB, turned upright where EXIF says so (a user's own may need it).

    Raises:
        UserError: the file is not a readable picture; it is named.
    """
    try:
        with Image.open(path) as image:
            ImageOps.exif_transpose(image, in_place=True)
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"cannot read the picture {path}: {error}; mend or remove it, import again") from None


def load(folder: Path) -> Dataset:
    """The dataset in a folder that has a dataset.json (`Volume.dataset` finds it)."""
    about = json.loads((folder / "dataset.json").read_text())
    return Dataset(folder.name, folder, tuple(item["name"] for item in about["classes"]), about["sha256"], about)


def summary(dataset: Dataset) -> str:
    """One line of numbers: pictures and boxes of each split, and the classes."""
    counts = dataset.about["splits"]
    splits = ", ".join(f"{name} {counts[name]['images']} images {counts[name]['boxes']} boxes" for name in counts)
    many = "class" if len(dataset.classes) == 1 else "classes"
    return f"{splits}; {len(dataset.classes)} {many} ({some(dataset.classes, 20)})"


def write(
    folder: Path,
    classes: tuple[str, ...],
    splits: dict[str, tuple[Picture, ...]],
    about: dict,
    picture_sha256s: dict[str, str] | None = None,
) -> Dataset:
    """Write annotations and dataset.json into `folder`, whose images/ is already filled.

    `about` holds what the source says of itself (source, format, licence, options); `picture_sha256s`, by file name,
    those that are known already. The dataset's sha256 covers classes, splits, boxes and picture bytes, sorted by file
    name, so neither order nor machine changes it.
    """
    content: dict[str, list] = {}
    counts = {}
    per_class: Counter[int] = Counter()
    for name in SPLITS:
        pictures = tuple(sorted(splits.get(name, ()), key=lambda picture: picture.file_name))
        split = Split(
            name,
            folder,
            classes,
            tuple(
                Picture(
                    number,
                    picture.file_name,
                    picture.width,
                    picture.height,
                    tuple(sorted(picture.boxes, key=_box_order)),
                )
                for number, picture in enumerate(pictures, start=1)
            ),
        )
        coco = split.to_coco()
        text = coco_text(coco)
        files.write_text(folder / f"{name}.json", text)
        counts[name] = {"images": len(coco["images"]), "boxes": len(coco["annotations"])}
        per_class.update(item["category_id"] for item in coco["annotations"])
        content[name] = split_content(folder, text, coco, picture_sha256s or {})
    value = {
        "name": about.pop("name", folder.name),
        "classes": [
            {"id": number, "name": name, "boxes": per_class[number]} for number, name in enumerate(classes, start=1)
        ],
        "splits": counts,
        "sha256": sha256_of(classes, content),
        **about,
    }
    files.write_json(folder / "dataset.json", value)
    return load(folder)


def _box_order(box: Box) -> tuple:
    return (box.y, box.x, box.category, box.height, box.width, box.crowd)
