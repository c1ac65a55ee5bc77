"""Finding lines: readers need not remember them, because only what is wrong is ever looked up.

A box's four numbers stand in its file one after another in one of a few ways: corners, corner and size, centre and
size, in pixels or as fractions. The line where they begin is the box's line. In COCO files lines say nothing, and the
annotation's id is found instead.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import PurePosixPath

from isomer.dataset import documents
from isomer.dataset.source import SourceBox, SourcePicture, Tree

NUMBER = re.compile(rb"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])")
TEXT_SUFFIXES = (".xml", ".txt", ".csv", ".json")
LARGEST = 64_000_000  # bytes of a file that is searched for a line
TOLERANCE = 5e-4
KEPT_FILES = 64


class Locator:
    """Finds boxes in a tree's annotation files."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._firsts = lru_cache(KEPT_FILES)(self._read_firsts)
        self._numbers = lru_cache(KEPT_FILES)(self._read_numbers)
        self._coco = lru_cache(KEPT_FILES)(self._read_coco)

    def find(
        self, note: SourcePicture, box: SourceBox, size: tuple[int, int] | None, *, last: bool = False
    ) -> tuple[int | None, str]:
        """The line and the record of a box, (None, "") where neither can be told; the last one of several if asked."""
        name = note.annotation
        suffix = PurePosixPath(name).suffix.lower()
        if suffix not in TEXT_SUFFIXES or not (self._tree.root / name).is_file():
            return None, ""
        if suffix == ".json" and (ids := self._coco(name)) is not None:
            found = ids.get(_key(note.names[:1], (box.x, box.y, box.width, box.height)))
            return None, f"annotation {found[-1 if last else 0]}" if found else ""
        numbers, lines, named = self._numbers(name)
        found = sorted({lines[index] for index in _matches(numbers, box, size)})
        if len(found) > 1:
            # one file for many pictures: its lines name them
            stems = [PurePosixPath(item).stem for item in note.names]
            found = [
                line for line in found if any(stem and stem.encode() in named[line - 1] for stem in stems)
            ] or found
        return (found[-1 if last else 0], "") if found else (None, "")

    def find_row(self, file: str, name: str) -> int | None:
        """The first row of a table that begins with a picture's name; None if the file is no table."""
        is_table = PurePosixPath(file).suffix.lower() in (".csv", ".txt") and (self._tree.root / file).is_file()
        return self._firsts(file).get(name.encode()) if is_table else None

    def _read_firsts(self, file: str) -> dict[bytes, int]:
        """The first cell of every row, and where it stands first."""
        rows: dict[bytes, int] = {}
        for count, line in enumerate(self._tree.read(file).split(b"\n"), start=1):
            rows.setdefault(line.partition(b",")[0].strip().strip(b'"'), count)
        return rows

    def _read_numbers(self, name: str) -> tuple[dict[int, list[tuple[int, list[float]]]], list[int], list[bytes]]:
        """Of a file: where four numbers begin, by the first of them in thousandths; the line of each; the lines."""
        data = self._tree.read(name)
        texts = data.split(b"\n") if len(data) <= LARGEST else []
        numbers: list[float] = []
        lines: list[int] = []
        for count, line in enumerate(texts, start=1):
            found = [float(word) for word in NUMBER.findall(line)]
            numbers += found
            lines += [count] * len(found)
        starts = defaultdict(list)
        for index in range(len(numbers) - 3):
            starts[round(numbers[index] * 1000)].append((index, numbers[index : index + 4]))
        return starts, lines, texts

    def _read_coco(self, name: str) -> dict[tuple, list[object]] | None:
        """The ids of a COCO file's annotations by picture and bbox; None if it is none."""
        try:
            value = documents.json_files(self._tree)[name]
            names = {item["id"]: str(item.get("file_name")) for item in value["images"]}
            annotations = value["annotations"]
        except (KeyError, TypeError, AttributeError):
            return None
        ids = defaultdict(list)
        for item in annotations:
            try:
                ids[_key((names[item["image_id"]],), map(float, item["bbox"]))].append(item.get("id"))
            except (KeyError, TypeError, ValueError):
                continue
        return dict(ids)


def _key(names: tuple[str, ...], row: Iterable[float]) -> tuple:
    """What tells an annotation from others; not-a-number is no key, as it is not equal to itself."""
    return names, *(str(number) if number != number else number for number in row)


def _matches(numbers: dict[int, list], box: SourceBox, size: tuple[int, int] | None) -> Iterator[int]:
    for wanted in _ways(box, size):
        first = wanted[0] * 1000
        if first - first != 0:
            continue  # no number of a file is endless
        for index, there in (item for key in {int(first // 1), int(first // 1) + 1} for item in numbers.get(key, ())):
            if all(abs(one - other) <= TOLERANCE for one, other in zip(there, wanted, strict=True)):
                yield index


def _ways(box: SourceBox, size: tuple[int, int] | None) -> Iterator[tuple[float, float, float, float]]:
    """How a box's numbers may stand in a file."""
    x, y, width, height = box.x, box.y, box.width, box.height
    yield x, y, x + width, y + height
    yield x, y, width, height
    if size:
        w, h = size
        yield (x + width / 2) / w, (y + height / 2) / h, width / w, height / h
        yield x / w, y / h, (x + width) / w, (y + height) / h
        yield x / w, (x + width) / w, y / h, (y + height) / h
