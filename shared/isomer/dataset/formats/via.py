"""VGG Image Annotator, version 1 and 2: JSON (annotations or a whole project) and CSV.
https://www.robots.ox.ac.uk/~vgg/software/via/

A region has a shape and attributes of the user's own making. Its class is the attribute called like one (`class`,
`label`, `name`, `type`, …), else the only one; regions of a source without attributes are all of class `object`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from isomer.dataset import documents, outlines
from isomer.dataset.documents import csv_rows, decoded
from isomer.dataset.source import AnnotationError, LeftOut, Reading, SourceBox, SourcePicture, Tree, split_of

NAME = "via"
ACCEPTS = 'VIA (VGG Image Annotator), .json entries with "filename" and "regions", or .csv with region_shape_attributes'
CLASS_ATTRIBUTES = ("class", "label", "name", "type", "category", "object", "object_name", "class_name", "species")
SHAPES = ("rect", "polygon", "circle", "ellipse")
ONLY_CLASS = "object"
SHAPE, ATTRIBUTES = "region_shape_attributes", "region_attributes"


@dataclass(frozen=True)
class Region:
    """One region: what was drawn, and the user's attributes of it."""

    shape: dict
    attributes: dict


def evidence(tree: Tree) -> str | None:
    names = [*_json_files(tree), *_csv_files(tree)]
    return f"{', '.join(names[:3])} with regions" if names else None


def read(tree: Tree) -> Reading:
    """Every VIA file in the tree."""
    reading = Reading()
    sources: dict[str, Iterable[tuple[str, list[Region]]]] = {
        name: parse_json(value) for name, value in _json_files(tree).items()
    }
    sources |= {name: parse_csv(decoded(tree.read(name))) for name in _csv_files(tree)}
    for name, entries in sources.items():
        split = split_of(name, whole_name=True)
        try:
            entries = list(entries)
        except AnnotationError as error:
            reading.left_out.append(LeftOut("annotation", str(error), name))
            continue
        attribute = class_attribute(region for _, regions in entries for region in regions)
        if attribute is None and any(regions for _, regions in entries):
            reading.notes.append(f"{name}: regions have no attributes; their class is called {ONLY_CLASS}")
        for file_name, regions in entries:
            boxes = []
            for number, region in enumerate(regions, start=1):
                try:
                    boxes.append(_box(region, attribute))
                except AnnotationError as error:
                    where = f"{name}, {file_name}, region {number}"
                    reading.left_out.append(LeftOut("box", str(error), where, 1))
            reading.pictures.append(SourcePicture(name, (file_name,), None, tuple(boxes), split))
    reading.splits = {item.split for item in reading.pictures if item.split}
    return reading


def parse_json(value: dict) -> Iterator[tuple[str, list[Region]]]:
    """File names and their regions; version 1 numbers the regions, version 2 lists them."""
    for entry in value.get("_via_img_metadata", value).values():
        if _is_entry(entry):
            regions = entry["regions"]
            listed = regions.values() if isinstance(regions, dict) else regions
            yield str(entry["filename"]), [_region(item.get("shape_attributes"), item.get(ATTRIBUTES))
                                           for item in listed if isinstance(item, dict)]  # fmt: skip


def parse_csv(text: str) -> Iterator[tuple[str, list[Region]]]:
    """File names and their regions, a region a row; a row without a shape is a picture without regions.

    Raises:
        AnnotationError: a row is none.
    """
    rows = csv_rows(text)
    _, header = next(rows)
    columns = [word.strip().lstrip("#") for word in header]
    found: dict[str, list[Region]] = {}
    for line, row in rows:
        values = dict(zip(columns, row, strict=False))
        try:
            shape, attributes = (json.loads(values.get(key) or "{}") for key in (SHAPE, ATTRIBUTES))
        except ValueError:
            raise AnnotationError(f"line {line} has no readable JSON in its cells") from None
        regions = found.setdefault(values.get("filename", ""), [])
        regions += [_region(shape, attributes)] if shape else []
    yield from found.items()


def class_attribute(regions: Iterable[Region]) -> str | None:
    """The attribute that holds the class; None if regions have none.

    Raises:
        AnnotationError: there are several and none is called like a class.
    """
    names = dict.fromkeys(key for region in regions for key in region.attributes)
    for known in CLASS_ATTRIBUTES:
        if match := next((name for name in names if name.strip().casefold() == known), None):
            return match
    if len(names) > 1:
        known = ", ".join(CLASS_ATTRIBUTES)
        raise AnnotationError(f"no attribute of {', '.join(names)} is called like a class ({known})")
    return next(iter(names), None)


def _json_files(tree: Tree) -> dict[str, dict]:
    def is_via(value: Any) -> bool:
        if not isinstance(value, dict):
            return False
        entries = value.get("_via_img_metadata", value)
        return isinstance(entries, dict) and any(map(_is_entry, entries.values()))

    return {name: value for name, value in documents.json_files(tree).items() if is_via(value)}


def _csv_files(tree: Tree) -> list[str]:
    return [name for name in tree.with_suffix(".csv") if SHAPE in decoded(tree.head(name)).partition("\n")[0]]


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and "filename" in entry and isinstance(entry.get("regions"), dict | list)


def _region(shape: Any, attributes: Any) -> Region:
    return Region(shape if isinstance(shape, dict) else {}, attributes if isinstance(attributes, dict) else {})


def _box(region: Region, attribute: str | None) -> SourceBox:
    value = region.attributes.get(attribute, "") if attribute is not None else ONLY_CLASS
    if isinstance(value, dict):  # check boxes: {"cat": true}
        value = next((key for key, is_set in value.items() if is_set), "")
    label = str(value).strip()
    if not label:
        raise AnnotationError(f"without a class in its attribute {attribute}")
    kind = region.shape.get("name")
    if kind not in SHAPES:
        raise AnnotationError(f"drawn as {kind}, which has no area")
    try:
        return SourceBox.around(label, _points(kind, region.shape))
    except (KeyError, TypeError, ValueError):
        raise AnnotationError(f"drawn as {kind} without its numbers") from None


def _points(kind: str, shape: dict) -> list[tuple[float, float]]:
    """Points that a shape reaches to its sides."""
    if kind == "rect":
        x, y, width, height = (float(shape[key]) for key in ("x", "y", "width", "height"))
        return [(x, y), (x + width, y + height)]
    if kind == "polygon":
        return list(zip(map(float, shape["all_points_x"]), map(float, shape["all_points_y"]), strict=True))
    centre = float(shape["cx"]), float(shape["cy"])
    if kind == "circle":
        return outlines.ellipse(centre, float(shape["r"]), float(shape["r"]))
    return outlines.ellipse(centre, float(shape["rx"]), float(shape["ry"]), float(shape.get("theta") or 0))
