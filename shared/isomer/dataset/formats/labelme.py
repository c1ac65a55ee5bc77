"""LabelMe: a JSON file a picture. https://github.com/wkentaro/labelme

Shapes are rectangles, polygons, circles and masks; the rectangle around each is taken. Shapes of one label with the
same group_id are one object, as in LabelMe's own converters. `__ignore__` is no class and `_background_` no object.
The picture lies beside the file or, as base64, inside it.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
import math
from pathlib import Path, PurePosixPath
from typing import Any

from isomer.dataset import documents
from isomer.dataset.source import AnnotationError, Embedded, LeftOut, Reading, SourceBox, SourcePicture, Tree, split_of

NAME = "labelme"
ACCEPTS = 'LabelMe, a .json file a picture with "shapes" and "imagePath", beside the pictures or with them inside'
NOT_OBJECTS = ("__ignore__", "_background_")
WITHOUT_AREA = ("point", "points", "line", "linestrip")


def evidence(tree: Tree) -> str | None:
    names = [name for name, value in documents.json_files(tree).items() if _is_labelme(value)]
    return f"{len(names)} .json files with shapes and imagePath, like {names[0]}" if names else None


def read(tree: Tree) -> Reading:
    """Every LabelMe file in the tree."""
    reading = Reading()
    for name, value in documents.json_files(tree).items():
        if isinstance(value, documents.BrokenJson):
            if b'"shapes"' in value.data or b'"imagePath"' in value.data:
                reading.left_out.append(LeftOut("annotation", str(value), name))
        elif _is_labelme(value):
            load = functools.partial(embedded_picture, tree.root / name) if value.get("imageData") else None
            picture, left_out = parse(value, name, load)
            reading.pictures.append(picture)
            reading.left_out += left_out
    return reading


def parse(value: dict, name: str, load: Any = None) -> tuple[SourcePicture, list[LeftOut]]:
    """One file's picture, and what of its shapes cannot be used; `load` gives the bytes of the picture inside it."""
    groups: dict[Any, list[SourceBox]] = {}
    left_out = []
    for number, shape in enumerate(value["shapes"]):
        where = f"{name}, shape {number + 1}"
        try:
            box = _box(shape)
        except AnnotationError as error:
            left_out.append(LeftOut("box", str(error), where, 1))
            continue
        group = shape.get("group_id")
        key = number if group is None else (box.label, str(group))
        groups.setdefault(key, []).append(box)
    boxes = tuple(
        SourceBox.around(group[0].label, [corner for box in group for corner in box.corners])
        for group in groups.values()
    )
    path = str(value.get("imagePath") or "")
    stem = PurePosixPath(name).stem
    suffix = PurePosixPath(path.replace("\\", "/")).suffix
    embedded = Embedded(str(PurePosixPath(name).with_suffix(suffix or ".jpg")), load) if load else None
    names = (path, stem) if path else (stem,)
    size = (value.get("imageWidth"), value.get("imageHeight"))
    size = size if all(isinstance(number, int) and number > 0 for number in size) else None
    return SourcePicture(name, names, size, boxes, split_of(name), embedded=embedded), left_out


def embedded_picture(path: Path) -> bytes:
    """The picture inside a LabelMe file; nothing if it is broken."""
    try:
        return base64.b64decode(json.loads(path.read_bytes())["imageData"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        return b""


def _is_labelme(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("shapes"), list) and "imagePath" in value


def _box(shape: Any) -> SourceBox:
    if not isinstance(shape, dict):
        raise AnnotationError("in a shape that is none")
    label, kind = str(shape.get("label") or "").strip(), shape.get("shape_type") or "polygon"
    if not label:
        raise AnnotationError("without a class name")
    if label in NOT_OBJECTS:
        raise AnnotationError(f"labelled {label}, which is no class")
    if kind in WITHOUT_AREA:
        raise AnnotationError(f"drawn as {kind}, which has no area")
    try:
        points = [(float(x), float(y)) for x, y in shape["points"]]
    except (KeyError, TypeError, ValueError):
        raise AnnotationError("without points") from None
    if kind == "circle" and len(points) == 2:
        (x, y), edge = points
        radius = math.dist((x, y), edge)
        points = [(x - radius, y - radius), (x + radius, y + radius)]
    if len(points) < (3 if kind == "polygon" else 2):
        raise AnnotationError(f"drawn as {kind} of {len(points)} points")
    return SourceBox.around(label, points)
