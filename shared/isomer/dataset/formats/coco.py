"""COCO detection JSON: one file for many pictures. https://cocodataset.org/#format-data

Any layout is taken: `annotations/instances_train2017.json` beside folders of pictures, Roboflow's
`train/_annotations.coco.json`, one file alone. The split is in the file's or its folder's name, if anywhere.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import PurePosixPath
from typing import Any

from isomer.dataset import documents
from isomer.dataset.source import AnnotationError, LeftOut, Reading, SourceBox, SourcePicture, Tree, split_of

NAME = "coco"
ACCEPTS = 'COCO, a .json file with "images", "annotations" and "categories", beside the pictures or in annotations/'
KEYS = ("images", "annotations", "categories")


def evidence(tree: Tree) -> str | None:
    names = [name for name, value in _files(tree).items() if isinstance(value, dict)]
    return f"{', '.join(names)} with {', '.join(KEYS)}" if names else None


def read(tree: Tree) -> Reading:
    """Every COCO file in the tree. Categories go by their names, in the order of their ids in the first file."""
    reading = Reading()
    labels: dict[str, None] = {}
    licences: dict[str, None] = {}
    for name, value in _files(tree).items():
        if isinstance(value, AnnotationError):
            reading.left_out.append(LeftOut("annotation", str(value), name))
            continue
        found = parse(value, name)
        reading.pictures += found.pictures
        reading.left_out += found.left_out
        reading.splits |= found.splits
        labels |= dict.fromkeys(found.labels)
        licences |= dict.fromkeys([found.licence] if found.licence else [])
    reading.labels = tuple(labels)
    reading.licence = "; ".join(licences) or None
    return reading


def parse(value: dict, name: str) -> Reading:
    """The content of one COCO file; `name` is the file's relative path."""
    reading = Reading()
    categories = {item.get("id"): _label(item) for item in sorted(_dicts(value, "categories"), key=_id)}
    reading.labels = tuple(dict.fromkeys(categories.values()))
    boxes: dict[Any, list[SourceBox]] = defaultdict(list)
    images: dict[Any, dict] = {}
    for item in _dicts(value, "images"):
        if item.get("id") in images:
            reading.left_out.append(LeftOut("picture", "whose id another image has", f"{name}, image {item.get('id')}"))
        else:
            images[item.get("id")] = item
    for item in _dicts(value, "annotations"):
        image = images.get(item.get("image_id"))
        where = f"{name}, annotation {item.get('id')}"
        if image is None:
            reading.left_out.append(LeftOut("box", 'of an image that is not in "images"', where, 1))
            continue
        try:
            boxes[item["image_id"]].append(_box(item, categories, image))
        except AnnotationError as error:
            reading.left_out.append(LeftOut("box", str(error), where, 1))
    split = split_of(name, whole_name=True)
    reading.splits = {split} - {None}
    for key, image in images.items():
        names = tuple(str(image[key]) for key in ("file_name", "name", "path") if image.get(key))
        reading.pictures.append(SourcePicture(name, names[:1], _size(image), tuple(boxes[key]), split))
    licences = dict.fromkeys(str(item["name"]) for item in _dicts(value, "licenses") if item.get("name"))
    reading.licence = "; ".join(licences) or None
    return reading


def _files(tree: Tree) -> dict[str, dict | AnnotationError]:
    """The COCO files; with an error those that should be but cannot be read. Others, like captions, are no matter.

    Where a folder has `instances_*` files, the key point, caption and panoptic ones beside them are about the same
    pictures and are not read.
    """
    found: dict[str, dict | AnnotationError] = {}
    for name, value in documents.json_files(tree).items():
        if isinstance(value, documents.BrokenJson):
            keys = all(f'"{key}"'.encode() in value.data for key in KEYS[:2])
            if keys or "coco" in PurePosixPath(name).name.casefold():
                found[name] = value
        elif isinstance(value, dict) and all(isinstance(value.get(key), list) for key in KEYS):
            found[name] = value
    folders = {PurePosixPath(name).parent for name in found if PurePosixPath(name).name.startswith("instances")}
    return {
        name: value
        for name, value in found.items()
        if PurePosixPath(name).parent not in folders or PurePosixPath(name).name.startswith("instances")
    }


def _box(item: dict, categories: dict[Any, str], image: dict) -> SourceBox:
    label = categories.get(item.get("category_id"))
    if not label:
        raise AnnotationError(f"of category {item.get('category_id')!r}, which has no name")
    try:
        x, y, width, height = (float(number) for number in item.get("bbox") or _bounds(item.get("segmentation"), image))
    except (TypeError, ValueError, KeyError):
        raise AnnotationError("without four numbers in bbox and without a segmentation") from None
    return SourceBox(label, x, y, width, height, crowd=bool(item.get("iscrowd")))


def _bounds(segmentation: Any, image: dict) -> tuple[float, float, float, float]:
    """x, y, width and height around polygons [[x, y, x, y, …], …] or a run-length mask {size, counts}."""
    if isinstance(segmentation, dict):
        # only masks without a bbox need it, and the other images do not have it
        from hotcoco import mask

        height, width = segmentation["size"]
        return tuple(mask.toBbox(mask.frPyObjects(segmentation, height, width)).tolist())
    numbers = [list(map(float, polygon)) for polygon in segmentation]
    xs = [x for polygon in numbers for x in polygon[0::2]]
    ys = [y for polygon in numbers for y in polygon[1::2]]
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def _dicts(value: dict, key: str) -> list[dict]:
    items = value.get(key)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _id(item: dict) -> tuple[bool, Any]:
    """Numbers in their order, before anything else."""
    return (False, item["id"]) if isinstance(item.get("id"), int) else (True, str(item.get("id")))


def _label(item: dict) -> str:
    return str(item.get("name") or "").strip()


def _size(image: dict) -> tuple[int, int] | None:
    try:
        width, height = int(image["width"]), int(image["height"])
    except (KeyError, TypeError, ValueError):
        return None
    return (width, height) if width > 0 and height > 0 else None
