"""WIDER FACE: one text file a split. http://shuoyang1213.me/WIDERFACE

    0--Parade/0_Parade_marchingband_1_849.jpg
    1
    449 330 122 149 0 0 0 0 0 0      x y width height blur expression illumination invalid occlusion pose

A picture without faces has the count 0 and, all the same, one line of zeros. Faces marked invalid are no boxes.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from isomer.dataset.documents import decoded
from isomer.dataset.source import PICTURE_SUFFIXES, LeftOut, Reading, SourceBox, SourcePicture, Tree, split_of

NAME = "widerface"
ACCEPTS = "WIDER FACE, .txt files with a picture's path, a count, and a line x y width height … each"
LABEL = "face"
INVALID = 7  # the column that marks a face as no good


def evidence(tree: Tree) -> str | None:
    names = _files(tree)
    return f"{', '.join(names)}: a picture, a count, and as many lines of numbers" if names else None


def read(tree: Tree) -> Reading:
    """Every such file in the tree."""
    reading = Reading(labels=(LABEL,))
    for name in _files(tree):
        found = parse(decoded(tree.read(name)), name)
        reading.pictures += found.pictures
        reading.left_out += found.left_out
        reading.splits |= found.splits
    return reading


def parse(text: str, name: str) -> Reading:
    """One file's pictures."""
    reading = Reading()
    split = split_of(name, whole_name=True)
    reading.splits = {split} - {None}
    lines = [line.strip() for line in text.splitlines()]
    position = 0
    while position < len(lines):
        path = lines[position]
        position += 1
        if not path:
            continue
        if not _is_picture(path):
            reading.left_out.append(LeftOut("box", "in a line where a picture belongs", f"{name}, line {position}", 1))
            continue
        count = int(lines[position]) if position < len(lines) and lines[position].isdigit() else None
        position += count is not None
        boxes = []
        if count is None:
            reading.left_out.append(LeftOut("annotation", "without a count of its faces", f"{name}, line {position}"))
        for _ in range(count or 0):
            if position >= len(lines) or _is_picture(lines[position]):
                where = f"{name}, line {position}"
                reading.left_out.append(LeftOut("box", f"announced by a count of {count}, but not there", where, 1))
                continue
            position += 1
            numbers = _numbers(lines[position - 1])
            if len(numbers) < 4 or (len(numbers) > INVALID and numbers[INVALID]):
                reason = "without four numbers" if len(numbers) < 4 else "marked invalid"
                reading.left_out.append(LeftOut("box", reason, f"{name}, line {position}", 1))
            else:
                boxes.append(SourceBox(LABEL, *numbers[:4]))
        if count == 0 and position < len(lines) and _numbers(lines[position]) and not any(_numbers(lines[position])):
            position += 1
        reading.pictures.append(SourcePicture(name, (path,), None, tuple(boxes), split))
    return reading


def _files(tree: Tree) -> list[str]:
    # a file called like a picture is about that one alone: there may be a hundred thousand of them
    lists = (name for name in tree.with_suffix(".txt") if not tree.has_picture(PurePosixPath(name).stem))
    return [name for name in lists if _is_wider_face(decoded(tree.head(name)))]


def _is_wider_face(head: str) -> bool:
    lines = [line.strip() for line in head.splitlines() if line.strip()][:3]
    return len(lines) == 3 and _is_picture(lines[0]) and lines[1].isdigit() and len(_numbers(lines[2])) >= 4


def _is_picture(line: str) -> bool:
    return PurePosixPath(line).suffix.lower() in PICTURE_SUFFIXES


def _numbers(line: str) -> list[float]:
    return [float(word) for word in line.split()] if re.fullmatch(r"[-+.\d\s]+", line) else []
