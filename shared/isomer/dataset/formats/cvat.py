"""CVAT for images, XML 1.1: one file for many pictures, with or without a task or project in it.
https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/

Boxes, polygons, masks and ellipses; the rectangle around each is taken, around a turned box too. Splits are the
pictures' subsets. Tracks of a video speak of frames that are no files.
"""

from __future__ import annotations

import math
from xml.etree.ElementTree import Element

from isomer.dataset import documents, outlines
from isomer.dataset.source import AnnotationError, LeftOut, Reading, SourceBox, SourcePicture, Tree, split_of

NAME = "cvat"
ACCEPTS = "CVAT for images 1.1, an .xml file whose first element is <annotations> with an <image> each"
SHAPES = ("box", "polygon", "mask", "ellipse", "polyline", "points", "cuboid", "skeleton")
WITHOUT_BOX = ("polyline", "points", "skeleton")


def evidence(tree: Tree) -> str | None:
    names = _files(tree)
    return f"{names[0]} begins with <annotations>" if names else None


def read(tree: Tree) -> Reading:
    """Every CVAT file in the tree."""
    reading = Reading()
    for name in _files(tree):
        try:
            found = parse(tree.read(name), name)
        except AnnotationError as error:
            reading.left_out.append(LeftOut("annotation", str(error), name))
            continue
        reading.pictures += found.pictures
        reading.left_out += found.left_out
        reading.splits |= found.splits
        reading.labels = tuple(dict.fromkeys(reading.labels + found.labels))
    return reading


def parse(data: bytes, name: str) -> Reading:
    """The content of one file.

    Raises:
        AnnotationError: it is no XML.
    """
    reading = Reading()
    root = documents.parse_xml(data)
    labels = (item.findtext("name") or "" for item in root.iterfind("meta//labels/label"))
    reading.labels = tuple(dict.fromkeys(label.strip() for label in labels if label.strip()))
    for image in root.iterfind("image"):
        file_name = image.get("name", "")
        split = split_of(image.get("subset", ""), whole_name=True) or split_of(name)
        boxes = []
        for shape in image:
            if shape.tag not in SHAPES:
                continue
            try:
                boxes.append(_box(shape))
            except AnnotationError as error:
                reading.left_out.append(LeftOut("box", str(error), f"{name}, image {file_name}", 1))
        names = (file_name,) if file_name else ()
        reading.pictures.append(SourcePicture(name, names, _size(image), tuple(boxes), split))
    for track in root.iterfind("track"):
        count = sum(item.get("outside") != "1" for item in track)
        where = f"{name}, track {track.get('id')}"
        reading.left_out.append(LeftOut("annotation", "of a video, whose frames are no picture files", where, count))
    reading.splits = {item.split for item in reading.pictures if item.split}
    return reading


def _files(tree: Tree) -> list[str]:
    return [name for name in tree.with_suffix(".xml") if documents.root_tag(tree.head(name)) == "annotations"]


def _size(image: Element) -> tuple[int, int] | None:
    width, height = (image.get(key, "") for key in ("width", "height"))
    return (int(width), int(height)) if width.isdigit() and height.isdigit() and int(width) and int(height) else None


def _box(shape: Element) -> SourceBox:
    label = shape.get("label", "").strip()
    if not label:
        raise AnnotationError("without a class name")
    if shape.tag in WITHOUT_BOX:
        raise AnnotationError(f"drawn as {shape.tag}, which has no area")
    try:
        return SourceBox.around(label, _points(shape))
    except (KeyError, ValueError):
        raise AnnotationError(f"drawn as {shape.tag} without its numbers") from None


def _points(shape: Element) -> list[tuple[float, float]]:
    """Points that a shape reaches to its sides."""
    numbers = {key: float(value) for key, value in shape.items() if _is_number(value)}
    if shape.tag == "polygon":
        return [(float(x), float(y)) for x, y in (pair.split(",") for pair in shape.attrib["points"].split(";"))]
    if shape.tag == "mask":
        left, top = numbers["left"], numbers["top"]
        return [(left, top), (left + numbers["width"], top + numbers["height"])]
    if shape.tag == "cuboid":
        corners = [f"{side}{face}" for side in ("tl", "bl", "tr", "br") for face in (1, 2)]
        return [(numbers[f"x{corner}"], numbers[f"y{corner}"]) for corner in corners]
    angle = math.radians(numbers.get("rotation", 0))
    if shape.tag == "ellipse":
        x, y, a, b = (numbers[key] for key in ("cx", "cy", "rx", "ry"))
        return outlines.ellipse((x, y), a, b, angle)
    left, top, right, below = (numbers[key] for key in ("xtl", "ytl", "xbr", "ybr"))
    centre = (left + right) / 2, (top + below) / 2
    return outlines.rectangle((left, top), right - left, below - top, angle, centre)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
