"""Open Images' box CSVs, and the dialect of pytorch-ssd and jetson-inference. https://storage.googleapis.com/openimages

    ImageID, Source, LabelName, Confidence, XMin, XMax, YMin, YMax, …, IsGroupOf, …      fractions of the picture

LabelName is a code (`/m/0cmf2`) whose name stands in class-descriptions*.csv; the dialect has a column ClassName
instead. Pictures are ImageID with any suffix, wherever they lie. A group of objects under one box is a crowd. The CSVs
list millions of pictures: rows of those that are not here are counted, not kept.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from isomer.dataset.documents import csv_rows, decoded
from isomer.dataset.source import AnnotationError, LeftOut, Reading, SourceBox, SourcePicture, Tree, split_of

NAME = "openimages"
ACCEPTS = "Open Images, .csv files with ImageID, LabelName or ClassName, XMin, XMax, YMin, YMax; class-descriptions.csv"
NUMBERS = ("XMin", "YMin", "XMax", "YMax")


@dataclass
class Rows:
    """What one file says: boxes by picture; rows of pictures that are not here, counted; rows that are no use."""

    boxes: dict[str, list[SourceBox]] = field(default_factory=dict)
    absent: Counter[str] = field(default_factory=Counter)
    left_out: list[LeftOut] = field(default_factory=list)
    labels: dict[str, None] = field(default_factory=dict)
    unnamed: bool = False


def evidence(tree: Tree) -> str | None:
    names = _files(tree)
    if not names:
        return None
    described = _descriptions(tree)
    return f"{names[0]} has ImageID and XMin; {f'class names in {described[0]}' if described else 'no class names'}"


def read(tree: Tree) -> Reading:
    """Every box file in the tree, for the pictures that are there."""
    reading = Reading()
    names: dict[str, str] = {}
    for name in _descriptions(tree):
        names |= parse_descriptions(decoded(tree.read(name)))
    labels: dict[str, None] = {}
    unnamed = False
    for name in _files(tree):
        found = parse(decoded(tree.read(name)), names, name, tree.has_picture)
        split = split_of(name, whole_name=True)
        reading.pictures += [
            SourcePicture(name, (picture,), None, tuple(boxes), split, fractions=True)
            for picture, boxes in found.boxes.items()
        ]
        reading.left_out += found.left_out
        if found.absent:
            reason = f"of {len(found.absent)} pictures that are not here"
            reading.left_out.append(LeftOut("annotation", reason, name, found.absent.total()))
        labels |= found.labels
        unnamed = unnamed or found.unnamed
    # the order of the descriptions is that of the codes; without any, that of the names
    known = [label for label in names.values() if label in labels]
    reading.labels = tuple(dict.fromkeys((*known, *sorted(labels))))
    reading.splits = {item.split for item in reading.pictures if item.split}
    if unnamed:
        reading.notes.append("classes without a name in class-descriptions*.csv are called by their codes")
    return reading


def parse(text: str, names: dict[str, str], name: str, has_picture) -> Rows:
    """One file's rows; `names` are class names by code, `has_picture` tells of an ImageID whether it is here."""
    found = Rows()
    rows = csv_rows(text)
    _, header = next(rows)
    columns = {word.strip(): place for place, word in enumerate(header)}
    try:
        for number, row in rows:
            values = {column: row[place].strip() for column, place in columns.items() if place < len(row)}
            picture = PurePosixPath(values.get("ImageID", "")).name
            if picture and not has_picture(picture):
                found.absent[picture] += 1
                continue
            try:
                box = _box(values, names)
            except AnnotationError as error:
                found.left_out.append(LeftOut("box", str(error), f"{name}, line {number}", 1))
                continue
            found.boxes.setdefault(picture, []).append(box)
            found.labels[box.label] = None
            found.unnamed = found.unnamed or box.label.startswith("/m/")
    except AnnotationError as error:
        found.left_out.append(LeftOut("annotation", str(error), name))
    return found


def parse_descriptions(text: str) -> dict[str, str]:
    """Class names by code."""
    return {row[0].strip(): row[1].strip() for _, row in csv_rows(text) if len(row) > 1 and row[0] != "LabelName"}


def is_boxes(head: str) -> bool:
    """Whether a file's first line is that of a box file."""
    columns = {word.strip() for word in head.partition("\n")[0].split(",")}
    return {"ImageID", *NUMBERS} <= columns and bool(columns & {"LabelName", "ClassName"})


def _files(tree: Tree) -> list[str]:
    """The box files; of a split's dialect file and original both, as jetson-inference leaves them, the dialect's."""
    found = [name for name in tree.with_suffix(".csv") if is_boxes(decoded(tree.head(name)))]
    reduced = {str(PurePosixPath(name).with_name(PurePosixPath(name).name.removeprefix("sub-"))) for name in found
               if PurePosixPath(name).name.startswith("sub-")}  # fmt: skip
    return [name for name in found if name not in reduced]


def _descriptions(tree: Tree) -> list[str]:
    return [name for name in tree.with_suffix(".csv") if "class-descriptions" in PurePosixPath(name).name.casefold()]


def _box(values: dict[str, str], names: dict[str, str]) -> SourceBox:
    if not values.get("ImageID"):
        raise AnnotationError("in a row without a picture")
    code = values.get("LabelName", "")
    label = values.get("ClassName") or names.get(code) or code
    if not label:
        raise AnnotationError("without a class")
    try:
        xmin, ymin, xmax, ymax = (float(values[key]) for key in NUMBERS)
    except (KeyError, ValueError):
        raise AnnotationError("without four numbers") from None
    return SourceBox(label, xmin, ymin, xmax - xmin, ymax - ymin, crowd=values.get("IsGroupOf") == "1")
