"""CSV with a box a row: Roboflow's and TensorFlow's, RetinaNet's without a header, and what scripts write like them.

With a header the columns may come in any order under any of the names in `COLUMNS`; a row without numbers is a picture
without boxes. Without one, rows are `path,x1,y1,x2,y2,class` (keras-retinanet; Roboflow's `_annotations.csv` beside
`_classes.csv`) or `class,x,y,width,height,name,image width,image height` (makesense.ai). If no number of a file is
above 1 they are fractions of the picture.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from isomer.dataset.documents import csv_rows, decoded
from isomer.dataset.source import (
    PICTURE_SUFFIXES,
    AnnotationError,
    LeftOut,
    Reading,
    SourceBox,
    SourcePicture,
    Tree,
    split_of,
)

NAME = "csv"
ACCEPTS = "CSV, a box a row: filename, class, xmin, ymin, xmax, ymax under a header, or path,x1,y1,x2,y2,class without"
COLUMNS = {
    "picture": "filename file filepath image imagename imagepath imagefilename imageid img imgname path frame",
    "label": "class classname label labelname category name",
    "xmin": "xmin x1 left xtl",
    "ymin": "ymin y1 top ytl",
    "xmax": "xmax x2 right xbr",
    "ymax": "ymax y2 bottom ybr",
    "x": "x bboxx",
    "y": "y bboxy",
    "box_width": "w bboxwidth boxwidth",
    "box_height": "h bboxheight boxheight",
    "width": "width imagewidth imgwidth",
    "height": "height imageheight imgheight",
    "split": "split set subset",
}
CORNERS = ("xmin", "ymin", "xmax", "ymax")
SIZED = ("x", "y", "box_width", "box_height")
RETINANET = {"picture": 0, "xmin": 1, "ymin": 2, "xmax": 3, "ymax": 4, "label": 5}
MAKESENSE = {"label": 0, "x": 1, "y": 2, "box_width": 3, "box_height": 4, "picture": 5, "width": 6, "height": 7}
DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Layout:
    """Where each value stands in a row; numbers: the four of a box."""

    columns: dict[str, int]
    delimiter: str
    header: bool

    @property
    def numbers(self) -> tuple[str, ...]:
        return CORNERS if set(CORNERS) <= self.columns.keys() else SIZED


@dataclass
class Rows:
    """All that a file says of one picture."""

    size: tuple[int, int] | None
    split: str | None
    boxes: list[SourceBox] = field(default_factory=list)


def evidence(tree: Tree) -> str | None:
    found = {name: layout for name in tree.with_suffix(".csv") if (layout := layout_of(decoded(tree.head(name))))}
    if not found:
        return None
    name, layout = next(iter(found.items()))
    how = f"columns {', '.join(layout.columns)}" if layout.header else f"rows of {len(layout.columns)} and no header"
    return f"{len(found)} .csv file{'s' * (len(found) > 1)}, {name} has {how}"


def read(tree: Tree) -> Reading:
    """Every such file in the tree; classes in the order of `_classes.csv` where there is one."""
    reading = Reading()
    for name in tree.with_suffix(".csv"):
        head = decoded(tree.head(name))
        if layout := layout_of(head):
            found = parse(decoded(tree.read(name)), layout, name)
            reading.pictures += found.pictures
            reading.left_out += found.left_out
            reading.splits |= found.splits
        elif PurePosixPath(name).name.casefold().endswith("classes.csv"):
            rows = csv_rows(decoded(tree.read(name)))
            reading.labels = tuple(dict.fromkeys((*reading.labels, *(row[0].strip() for _, row in rows))))
    used = dict.fromkeys(box.label for item in reading.pictures for box in item.boxes)
    if reading.labels:
        reading.labels = tuple(dict.fromkeys((*reading.labels, *used)))
    return reading


def parse(text: str, layout: Layout, name: str) -> Reading:
    """One file's pictures in the order they first appear, each with all its boxes."""
    reading = Reading()
    pictures: dict[str, Rows] = {}
    own = split_of(name, whole_name=True)
    try:
        for number, row in csv_rows(text, layout.delimiter):
            if layout.header and number == 1:
                continue
            try:
                _take(row, layout, own, pictures)
            except AnnotationError as error:
                reading.left_out.append(LeftOut("box", str(error), f"{name}, line {number}", 1))
    except AnnotationError as error:
        reading.left_out.append(LeftOut("annotation", str(error), name))
    boxes = [box for rows in pictures.values() for box in rows.boxes]
    highest = max((max(box.x + box.width, box.y + box.height) for box in boxes), default=0)
    fractions = 0 < highest <= 1
    for picture, rows in pictures.items():
        note = SourcePicture(name, (picture,), rows.size, tuple(rows.boxes), rows.split, fractions)
        reading.pictures.append(note)
    reading.splits = {item.split for item in reading.pictures if item.split}
    return reading


def layout_of(head: str) -> Layout | None:
    """How a file's rows are to be read, from its beginning; None if it holds something else."""
    lines = [line for line in head.splitlines() if line.strip()][:1]
    for delimiter in DELIMITERS if lines else "":
        _, row = next(csv_rows(lines[0], delimiter))
        found = dict(_columns(row))
        if {"picture", "label"} <= found.keys() and any(set(four) <= found.keys() for four in (CORNERS, SIZED)):
            # Open Images' own files are read by their own module, which knows their classes
            is_open_images = {"imageid", "labelname"} <= {_key(word) for word in row}
            return None if is_open_images else Layout(found, delimiter, header=True)
        for columns in (RETINANET, MAKESENSE):
            if len(row) == len(columns) and _fits(row, columns):
                return Layout(columns, delimiter, header=False)
    return None


def _take(row: list[str], layout: Layout, own: str | None, pictures: dict[str, Rows]) -> None:
    """Add what a row says to its picture; `own` is the file's split."""
    picture = _cell(row, layout, "picture")
    if not picture:
        raise AnnotationError("in a row without a picture")
    box = _box(row, layout)
    split = split_of(_cell(row, layout, "split"), whole_name=True) or own
    rows = pictures.setdefault(picture, Rows(_size(row, layout), split))
    rows.boxes += [box] if box else []


def _columns(header: list[str]) -> Iterator[tuple[str, int]]:
    """The columns of a header that are known by one of their names; of several the name listed first."""
    keys = [_key(word) for word in header]
    for column, names in COLUMNS.items():
        yield from ((column, keys.index(name)) for name in [name for name in names.split() if name in keys][:1])


def _key(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.casefold())


def _fits(row: list[str], columns: dict[str, int]) -> bool:
    is_picture = PurePosixPath(row[columns["picture"]].strip()).suffix.lower() in PICTURE_SUFFIXES
    others = [row[place].strip() for column, place in columns.items() if column not in ("picture", "label")]
    return is_picture and all(not word or _is_number(word) for word in others)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _cell(row: list[str], layout: Layout, column: str) -> str:
    place = layout.columns.get(column)
    return row[place].strip() if place is not None and place < len(row) else ""


def _box(row: list[str], layout: Layout) -> SourceBox | None:
    """A row's box; None if the row says that its picture has none."""
    words = [_cell(row, layout, column) for column in layout.numbers]
    if not any(words):
        return None
    try:
        a, b, c, d = map(float, words)
    except ValueError:
        raise AnnotationError("without four numbers") from None
    label = _cell(row, layout, "label")
    if not label:
        raise AnnotationError("without a class name")
    return SourceBox(label, a, b, c - a, d - b) if layout.numbers == CORNERS else SourceBox(label, a, b, c, d)


def _size(row: list[str], layout: Layout) -> tuple[int, int] | None:
    try:
        width, height = (round(float(_cell(row, layout, column))) for column in ("width", "height"))
    except (ValueError, OverflowError):
        return None
    return (width, height) if width > 0 and height > 0 else None
