"""PASCAL's annotations before VOC, as Penn-Fudan, INRIA and TU Darmstadt have them: a text file a picture.
https://www.cis.upenn.edu/~jshi/ped_html/

    # Compatible with PASCAL Annotation Version 1.00
    Image filename : "PennFudanPed/PNGImages/FudanPed00001.png"
    Image size (X x Y x C) : 559 x 536 x 3
    Bounding box for object 1 "PASpersonWalking" (Xmin, Ymin) - (Xmax, Ymax) : (160, 182) - (302, 431)

Pixels are counted from the corner that the file names, (1, 1) or (0, 0), and the last one belongs to the box.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from isomer.dataset.documents import decoded
from isomer.dataset.source import AnnotationError, LeftOut, Reading, SourceBox, SourcePicture, Tree, split_of

NAME = "pennfudan"
ACCEPTS = "Penn-Fudan, .txt files of PASCAL Annotation Version 1.00 with lines `Bounding box for object …`"
SAMPLE = 50
MARK = "PASCAL Annotation Version"
FILE_NAME = re.compile(r'^Image filename\s*:\s*"(.*)"', re.MULTILINE)
SIZE = re.compile(r"^Image size \(X x Y x C\)\s*:\s*(\d+)\s*x\s*(\d+)", re.MULTILINE)
ORIGIN = re.compile(r"^# Top left pixel co-ordinates\s*:\s*\((\d+),\s*(\d+)\)", re.MULTILINE)
OBJECT = re.compile(r'^Bounding box for object (\d+)(?:\s+"(.*?)")?(.*)$', re.MULTILINE)
NUMBERS = re.compile(r"\((-?\d+),\s*(-?\d+)\)\s*-\s*\((-?\d+),\s*(-?\d+)\)\s*$")


@dataclass(frozen=True)
class Annotation:
    """What one file says; `broken` are the reasons of objects that cannot be used."""

    file_name: str
    size: tuple[int, int] | None
    boxes: tuple[SourceBox, ...]
    broken: tuple[str, ...]


def evidence(tree: Tree) -> str | None:
    names = _candidates(tree)
    example = next((name for name in names[:SAMPLE] if _is_marked(tree, name)), None)
    return f"{example} is compatible with {MARK} 1.00" if example else None


def read(tree: Tree) -> Reading:
    """Every such file in the tree."""
    reading = Reading()
    for name in filter(lambda name: _is_marked(tree, name), tree.with_suffix(".txt")):
        found = parse(decoded(tree.read(name)))
        reading.left_out += [LeftOut("box", reason, name, 1) for reason in found.broken]
        names = (found.file_name,) if found.file_name else ()
        reading.pictures.append(SourcePicture(name, names, found.size, found.boxes, split_of(name)))
    return reading


def parse(text: str) -> Annotation:
    """One annotation file."""
    file_name, size, origin = (pattern.search(text) for pattern in (FILE_NAME, SIZE, ORIGIN))
    left, top = (int(origin[1]), int(origin[2])) if origin else (1, 1)
    boxes, broken = [], []
    for match in OBJECT.finditer(text):
        try:
            boxes.append(_box(match, left, top))
        except AnnotationError as error:
            broken.append(str(error))
    width_height = (int(size[1]), int(size[2])) if size and int(size[1]) and int(size[2]) else None
    return Annotation(file_name[1] if file_name else "", width_height, tuple(boxes), tuple(broken))


def _candidates(tree: Tree) -> list[str]:
    """Text files called like pictures first: one of these tells of all."""
    return sorted(tree.with_suffix(".txt"), key=lambda name: not tree.has_picture(PurePosixPath(name).stem))


def _is_marked(tree: Tree, name: str) -> bool:
    return MARK.encode() in tree.head(name, 200)


def _box(match: re.Match, left: int, top: int) -> SourceBox:
    label = (match[2] or "").strip()
    if not label:
        raise AnnotationError("without a class name")
    numbers = NUMBERS.search(match[3])
    if not numbers:
        raise AnnotationError("without four numbers")
    xmin, ymin, xmax, ymax = map(int, numbers.groups())
    return SourceBox(label, xmin - left, ymin - top, xmax - xmin + 1, ymax - ymin + 1)
