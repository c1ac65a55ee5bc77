"""KITTI's object labels: a text file a picture, 15 columns a line. https://www.cvlibs.net/datasets/kitti/eval_object.php

    type truncated occluded alpha  xmin ymin xmax ymax  height width length x y z rotation [score]

`DontCare` marks regions where objects were not labelled: they are no boxes.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from isomer.dataset.documents import decoded
from isomer.dataset.source import AnnotationError, LeftOut, Reading, SourceBox, SourcePicture, Tree, split_of

NAME = "kitti"
ACCEPTS = "KITTI, a .txt file a picture (label_2/ beside image_2/) with lines of a type and 14 numbers"
COLUMNS = (15, 16)
IGNORED = "DontCare"
SAMPLE = 50


def evidence(tree: Tree) -> str | None:
    names = _files(tree)
    heads = ((name, decoded(tree.head(name))) for name in names[:SAMPLE])
    example = next((name for name, head in heads if _is_kitti(head)), None)
    return f"{len(names)} .txt files called like pictures, {example} has a type and 14 numbers" if example else None


def read(tree: Tree) -> Reading:
    """Every text file called like a picture."""
    reading = Reading()
    for name in _files(tree):
        stem = PurePosixPath(name).stem
        boxes, left_out = parse(decoded(tree.read(name)), name)
        reading.left_out += left_out
        reading.pictures.append(SourcePicture(name, (stem,), None, tuple(boxes), split_of(name)))
    return reading


def parse(text: str, name: str) -> tuple[list[SourceBox], list[LeftOut]]:
    """One file's boxes, and what cannot be used."""
    boxes, left_out = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            boxes.append(_box(line.split()))
        except AnnotationError as error:
            left_out.append(LeftOut("box", str(error), f"{name}, line {number}", 1))
    return boxes, left_out


def _files(tree: Tree) -> list[str]:
    return [name for name in tree.with_suffix(".txt") if tree.has_picture(PurePosixPath(name).stem)]


def _is_kitti(head: str) -> bool:
    words = next((line.split() for line in head.splitlines() if line.strip()), [])
    try:
        _box(words)
    except AnnotationError:
        return words[:1] == [IGNORED]
    return True


def _box(words: list[str]) -> SourceBox:
    if len(words) not in COLUMNS:
        raise AnnotationError(f"in a line of {len(words)} columns where KITTI has 15")
    label, *rest = words
    try:
        numbers = [float(word) for word in rest]
        float(label)
    except ValueError as error:
        if repr(label) not in str(error):
            raise AnnotationError("without its numbers") from None
    else:
        raise AnnotationError("in a line without a type")
    if label == IGNORED:
        raise AnnotationError(f"labelled {IGNORED}, which is no class")
    xmin, ymin, xmax, ymax = numbers[3:7]
    return SourceBox(label, xmin, ymin, xmax - xmin, ymax - ymin)
