"""What is checked: a source as its format module reads it, or a dataset of the data volume, which is COCO too."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np

from isomer.dataset import canonical, formats
from isomer.dataset.boxes import TOLERANCE
from isomer.dataset.checks import images
from isomer.dataset.checks.images import Look
from isomer.dataset.pictures import PictureSource
from isomer.dataset.source import Reading, SourceBox, SourcePicture, Tree, split_of

UNKNOWN_SIZE = 1000, 1000  # of a picture that is not there, for boxes in fractions of it


@dataclass(frozen=True)
class Entry:
    """A picture as an annotation has it; paths: the files it can mean, one if all is well."""

    note: SourcePicture
    paths: tuple[str, ...]

    @property
    def path(self) -> str | None:
        return self.paths[0] if len(self.paths) == 1 else None

    @property
    def split(self) -> str | None:
        return self.note.split or (split_of(self.path) if self.path else None)

    @property
    def place(self) -> str:
        """Which record of its file it is, if that has several."""
        name = self.note.names[0] if self.note.names else "no file name"
        return "" if PurePosixPath(name).stem == PurePosixPath(self.note.annotation).stem else name


@dataclass(frozen=True)
class BoxTable:
    """All boxes as arrays.

    rows: x, y, width, height in pixels, float [n, 4]; entry: of which entry each is, int [n], rising; label: index into
    `labels`, int [n]; size: width and height of what each must lie in, float [n, 2], nan if unknown.
    """

    rows: np.ndarray
    entry: np.ndarray
    label: np.ndarray
    labels: tuple[str, ...]
    size: np.ndarray

    @cached_property
    def has_area(self) -> np.ndarray:
        """Which boxes are boxes at all, bool [n]."""
        return np.isfinite(self.rows).all(axis=1) & (self.rows[:, 2:] >= TOLERANCE).all(axis=1)

    @cached_property
    def normalised(self) -> np.ndarray:
        """Which boxes are in fractions where pixels belong: all of a picture's lie in its first pixel, bool [n]."""
        if not len(self.rows):
            return np.zeros(0, bool)
        reach = np.where(self.has_area[:, None], self.rows[:, :2] + self.rows[:, 2:], 0).max(axis=1)
        furthest = np.zeros(self.entry.max() + 1)
        np.maximum.at(furthest, self.entry, reach)
        return self.has_area & (furthest[self.entry] <= 1 + 1e-3) & ~(self.size.min(axis=1) < 8)


@dataclass
class Subject:
    """A tree with all that was read of it and looked at.

    negatives: picture files beside annotated ones that no annotation speaks of. sources, looks: every picture that was
    looked at, by its path or by its name inside an annotation. others: formats that are there too. dataset: what
    dataset.json holds if it is a dataset of the data volume. size: the input size for small boxes, pixels.
    """

    source: Path
    tree: Tree
    format: str
    evidence: str
    others: list[str]
    reading: Reading
    entries: list[Entry]
    negatives: list[str]
    sources: dict[str, PictureSource]
    looks: dict[str, Look]
    size: int
    dataset: dict | None = None
    deep: bool = False

    @cached_property
    def by_path(self) -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = {}
        for entry in self.entries:
            if entry.path:
                found.setdefault(entry.path, []).append(entry)
        return found

    @cached_property
    def gives_sizes(self) -> bool:
        """Whether annotations of this source say how large their pictures are."""
        return any(entry.note.size for entry in self.entries)

    @cached_property
    def splits(self) -> dict[str, str | None]:
        """The split of every picture file that takes part."""
        own = {
            path: next((item.split for item in entries if item.split), None) for path, entries in self.by_path.items()
        }
        return own | {path: split_of(path) for path in self.negatives}

    @cached_property
    def boxes(self) -> BoxTable:
        sizes = [self.size_of(index) for index in range(len(self.entries))]
        flat = [(index, box) for index, entry in enumerate(self.entries) for box in entry.note.boxes]
        labels = list(dict.fromkeys((*self.reading.labels, *(box.label for _, box in flat))))
        numbers = {label: number for number, label in enumerate(labels)}
        entry = np.array([index for index, _ in flat], int)
        rows = np.array([(box.x, box.y, box.width, box.height) for _, box in flat], float).reshape(-1, 4)
        fractions = [size if note.note.fractions else (1, 1) for note, size in zip(self.entries, sizes, strict=True)]
        return BoxTable(
            rows * np.tile(np.array(fractions, float).reshape(-1, 2)[entry], 2),
            entry,
            np.array([numbers[box.label] for _, box in flat], int),
            tuple(labels),
            np.array([size or (np.nan, np.nan) for size in sizes], float).reshape(-1, 2)[entry],
        )

    @cached_property
    def firsts(self) -> np.ndarray:
        """The row of each entry's first box in the table."""
        return np.cumsum([0, *(len(entry.note.boxes) for entry in self.entries)])

    def box(self, row: int) -> tuple[Entry, SourceBox]:
        """The entry and the box of a row of the table, in pixels."""
        index = int(self.boxes.entry[row])
        entry = self.entries[index]
        x, y, width, height = self.boxes.rows[row].tolist()
        box = entry.note.boxes[row - int(self.firsts[index])]
        return entry, replace(box, x=x, y=y, width=width, height=height)

    def size_of(self, index: int) -> tuple[int, int] | None:
        """Width and height that an entry's boxes speak of: the annotation's, unless they only fit the picture."""
        entry = self.entries[index]
        declared, look = entry.note.size, self.looks.get(entry.path or "")
        if look is None or look.header is None:
            return declared or (UNKNOWN_SIZE if entry.note.fractions else None)
        if entry.note.fractions:
            return look.header.upright_size
        real = [look.header.upright_size, look.header.stored_size]
        candidates = [declared, *real] if declared else real
        right = max((box.x + box.width for box in entry.note.boxes), default=0)
        below = max((box.y + box.height for box in entry.note.boxes), default=0)
        return next((size for size in candidates if right <= size[0] and below <= size[1]), candidates[0])

    def class_counts(self) -> Counter[str]:
        counts = np.bincount(self.boxes.label, minlength=len(self.boxes.labels))
        return Counter(dict(zip(self.boxes.labels, counts.tolist(), strict=True)))

    def example(self, label: str) -> str:
        """The annotation file of the first box of a class, "" if it has none."""
        row = self._first_rows.get(label)
        return "" if row is None else self.box(row)[0].note.annotation

    @cached_property
    def _first_rows(self) -> dict[str, int]:
        labels, rows = np.unique(self.boxes.label, return_index=True)
        return {self.boxes.labels[label]: int(row) for label, row in zip(labels, rows, strict=True)}

    def looked_at(self) -> str:
        """What was looked at, for a line."""
        labels = len({label for label, count in self.class_counts().items() if count})
        classes = f"{labels} {'class' if labels == 1 else 'classes'}"
        return f"{len(self.splits)} pictures, {len(self.boxes.rows)} boxes, {classes} ({self.format}: {self.evidence})"


def examine(source: Path, *, format_name: str | None, size: int, deep: bool) -> Subject:
    """Read a folder or an annotation file, and look at its pictures.

    Raises:
        UserError: there is no such folder, or no format fits it.
    """
    tree = Tree(source)
    chosen, *others = formats.detect(tree, format_name)
    reading = chosen.reading
    entries = [Entry(note, _meant(tree, note)) for note in reading.pictures]
    inside = {note.embedded.name: note.embedded.load for note in reading.pictures if note.embedded}
    used = {path for entry in entries for path in entry.paths}
    folders = {PurePosixPath(path).parent for path in used - inside.keys()}
    elsewhere = {path for other in others for path in other.boxes}
    beside = [path for path in tree.pictures if path not in used and PurePosixPath(path).parent in folders]
    sources = {path: inside.get(path) or tree.root / path for path in sorted(used | set(beside))}
    return Subject(
        source=source,
        tree=tree,
        format=chosen.format.NAME,
        evidence=chosen.evidence,
        others=[f"{other.format.NAME}, {other.count} ({other.evidence})" for other in others],
        reading=reading,
        entries=entries,
        negatives=[] if reading.listed else [path for path in beside if path not in elsewhere],
        sources=sources,
        looks=images.look_at_all(sources, deep=deep),
        size=size,
        deep=deep,
    )


def _meant(tree: Tree, note: SourcePicture) -> tuple[str, ...]:
    """The pictures that an annotation can mean: files, else the one inside it."""
    found = tree.find_picture(note)
    return tuple(found) if found or not note.embedded else (note.embedded.name,)


def examine_dataset(dataset: canonical.Dataset, *, size: int, deep: bool) -> Subject:
    """The same for a dataset of the data volume; what dataset.json says is kept for the checks."""
    subject = examine(dataset.folder, format_name="coco", size=size, deep=deep)
    subject.dataset = dataset.about
    return subject
