"""Label Studio's JSON and JSON-MIN: one file for many pictures. https://labelstud.io/guide/export

Rectangles, ellipses and polygons in hundredths of the picture; the rectangle around each is taken, around a turned one
too. Of several annotations of a picture the last one that was not cancelled counts. A picture is called by an address
whose last part is its name, with eight letters before it if it was uploaded.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from isomer.dataset import documents, outlines
from isomer.dataset.source import AnnotationError, LeftOut, Reading, SourceBox, SourcePicture, Tree, split_of

NAME = "labelstudio"
ACCEPTS = 'Label Studio, a .json list of tasks with "data" and "annotations", or its JSON-MIN'
SHAPES = ("rectanglelabels", "ellipselabels", "polygonlabels")
OTHERS = ("brushlabels", "keypointlabels", "videorectangle", "bitmasklabels")
GEOMETRY = {"rectangle": SHAPES[0], "ellipse": SHAPES[1], "polygon": SHAPES[2]}
UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")

Task = tuple[str, list[list[dict]]]
"""A picture's address, and for each annotation of it the results, each with its `value` and its `type`."""


def evidence(tree: Tree) -> str | None:
    names = list(_files(tree))
    return f"{', '.join(names[:3])} is a list of tasks with pictures and labels" if names else None


def read(tree: Tree) -> Reading:
    """Every Label Studio file in the tree."""
    reading = Reading()
    for name, value in _files(tree).items():
        split = split_of(name, whole_name=True)
        for number, item in enumerate(value, start=1):
            where = f"{name}, task {item.get('id', number) if isinstance(item, dict) else number}"
            try:
                address, annotations = parse(item)
            except AnnotationError as error:
                reading.left_out.append(LeftOut("annotation", str(error), where))
                continue
            *earlier, results = annotations or [[]]
            if count := sum(len(list(_shapes(items))) for items in earlier):
                reading.left_out.append(LeftOut("box", "of an earlier annotation of the same picture", where, count))
            boxes, sizes = [], []
            for result in _shapes(results):
                try:
                    boxes.append(_box(result))
                except AnnotationError as error:
                    reading.left_out.append(LeftOut("box", str(error), where, 1))
                sizes.append((result.get("original_width"), result.get("original_height")))
            size = next((size for size in sizes if all(isinstance(side, int) and side > 0 for side in size)), None)
            reading.pictures.append(SourcePicture(name, names_of(address), size, tuple(boxes), split, fractions=True))
    reading.splits = {item.split for item in reading.pictures if item.split}
    return reading


def parse(item: Any) -> Task:
    """One task of a list.

    Raises:
        AnnotationError: it names no picture.
    """
    if not isinstance(item, dict):
        raise AnnotationError("is no task")
    if isinstance(item.get("data"), dict):
        address = _address(item["data"])
        made = item.get("annotations", item.get("completions")) or []
        done = [one for one in made if isinstance(one, dict) and not one.get("was_cancelled")]
        done.sort(key=lambda one: str(one.get("updated_at") or one.get("created_at") or ""))
        results = [[result for result in one.get("result") or [] if isinstance(result, dict)] for one in done]
        return address, results
    # JSON-MIN: lists of values under the names of the labelling controls
    results = [
        {**value, "type": kind, "value": value}
        for values in item.values()
        if isinstance(values, list)
        for value in values
        if isinstance(value, dict)
        for kind in (*SHAPES, *OTHERS)
        if kind in value
    ]
    return _address(item), [results]


def names_of(address: str) -> tuple[str, ...]:
    """What the picture's file may be called."""
    parts = urlsplit(address)
    query = parse_qs(parts.query).get("d")
    path = query[0] if query else unquote(parts.path)
    name = PurePosixPath(path.replace("\\", "/")).name
    plain = UPLOADED.sub("", name, count=1) if UPLOADED.match(name) else name
    return tuple(dict.fromkeys(filter(None, (path.lstrip("/"), plain))))


def _files(tree: Tree) -> dict[str, list]:
    def is_tasks(value: Any) -> bool:
        first = value[0] if isinstance(value, list) and value else None
        if not isinstance(first, dict):
            return False
        if isinstance(first.get("data"), dict) and ("annotations" in first or "completions" in first):
            return True
        return any(isinstance(value, dict) and set(SHAPES) & value.keys()
                   for item in value[:50] if isinstance(item, dict)
                   for values in item.values() if isinstance(values, list)
                   for value in values[:1])  # fmt: skip

    return {name: value for name, value in documents.json_files(tree).items() if is_tasks(value)}


def _address(data: dict) -> str:
    """The picture among a task's data: called so, else the first text that looks like a path."""
    texts = {key: value for key, value in data.items() if isinstance(value, str)}
    known = (texts[key] for key in ("image", "img", "picture", "url", "photo") if key in texts)
    others = (text for text in texts.values() if re.search(r"\.\w{3,4}($|\?)", text))
    address = next(iter((*known, *others)), None)
    if address is None:
        raise AnnotationError("names no picture")
    return address


def _shapes(results: list[dict]) -> Iterator[dict]:
    """Results that label a region; relations, choices and plain geometry beside a label of the same region do not."""
    labelled = {item.get("id") for item in results if _labels(item)}
    for item in results:
        if _labels(item) or (item.get("type") in GEOMETRY and item.get("id") not in labelled):
            yield item


def _labels(result: dict) -> list[str]:
    value = result.get("value")
    if not isinstance(value, dict):
        return []
    kinds = (*SHAPES, *OTHERS, "labels")
    found = next((value[kind] for kind in kinds if isinstance(value.get(kind), list)), [])
    return [str(label).strip() for label in found]


def _box(result: dict) -> SourceBox:
    """The rectangle around a result's shape, in fractions."""
    labels = [label for label in _labels(result) if label]
    if not labels:
        raise AnnotationError("without a class")
    value, kind = result["value"], result.get("type")
    if not any(key in value for key in ("points", "radiusX", "width")):
        raise AnnotationError(f"drawn as {kind}, which gives no outline")
    # fractions are no squares: a turn needs the picture's shape
    wide, high = (result.get(f"original_{side}") or 100 for side in ("width", "height"))
    try:
        points = _points(value, wide / 100, high / 100)
        return SourceBox.around(labels[0], [(x / wide, y / high) for x, y in points])
    except (KeyError, TypeError, ValueError):
        raise AnnotationError(f"drawn as {kind} without its numbers") from None


def _points(value: dict, wide: float, high: float) -> list[tuple[float, float]]:
    """Points that a shape reaches to its sides, in pixels; `wide` and `high` are a hundredth of the picture."""
    angle = math.radians(value.get("rotation") or 0)
    if "points" in value:
        return [(float(x) * wide, float(y) * high) for x, y in value["points"]]
    if "radiusX" in value:
        return outlines.ellipse(
            (value["x"] * wide, value["y"] * high), value["radiusX"] * wide, value["radiusY"] * high, angle
        )
    corner = value["x"] * wide, value["y"] * high
    return outlines.rectangle(corner, value["width"] * wide, value["height"] * high, angle, corner)
