"""What can be mended without a person: spellings, exchanged corners, wrong units, repetitions, leaked copies.

What import does by itself (clipping, leaving out what is no box, turning and converting pictures) is left to it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np

from isomer.dataset.canonical import SPLITS
from isomer.dataset.checks import boxes, images
from isomer.dataset.checks.classes import folded
from isomer.dataset.checks.subject import Entry, Subject
from isomer.dataset.source import LeftOut, Reading, SourceBox, SourcePicture


def mended(subject: Subject) -> tuple[Reading, Counter[str]]:
    """The subject's reading with all that can be mended, and how often each thing was, in words."""
    changes: Counter[str] = Counter()
    names = _spellings(subject)
    rows, drop = _rows(subject, changes)
    dropped = _copies(subject)
    left_out = list(subject.reading.left_out)
    pictures = []
    for index, entry in enumerate(subject.entries):
        if entry.path in dropped:
            # import itself leaves out the picture, as it is no longer listed
            reason = f"of {dropped[entry.path]}"
            left_out.append(
                LeftOut("annotation", reason, f"{entry.note.annotation}: {entry.path}", len(entry.note.boxes))
            )
            continue
        span = slice(int(subject.firsts[index]), int(subject.firsts[index + 1]))
        pictures.append(_entry(subject, index, entry, rows[span], drop[span]))
    kept = (path for path in subject.negatives if path not in dropped)
    pictures += [SourcePicture(path, (path,), None, (), subject.splits[path]) for path in kept]
    changes.update({"copies of pictures left out": len(dropped)} if dropped else {})
    changes.update(
        f"boxes of class {box.label!r} named {names[box.label]!r}"
        for picture in pictures
        for box in picture.boxes
        if names[box.label] != box.label
    )
    pictures = [
        replace(one, boxes=tuple(replace(box, label=names[box.label]) for box in one.boxes)) for one in pictures
    ]
    labels = tuple(dict.fromkeys(names[label] for label in subject.reading.labels))
    # what is not in the list any more is no negative
    reading = replace(subject.reading, pictures=pictures, left_out=left_out, labels=labels, listed=True)
    if subject.dataset:
        reading.licence = subject.dataset.get("licence")
    return reading, changes


def _spellings(subject: Subject) -> dict[str, str]:
    """For each class name the most frequent one of those that mean the same."""
    counts = subject.class_counts()
    groups = defaultdict(list)
    for label in counts:
        groups[folded(label)].append(label)
    best = {key: max(group, key=lambda label: counts[label]) for key, group in groups.items()}
    return {label: best[folded(label)] for label in counts}


def _rows(subject: Subject, changes: Counter[str]) -> tuple[np.ndarray, np.ndarray]:
    """The boxes' rows mended, float [n, 4], and which of them are to be dropped, bool [n]."""
    table = subject.boxes
    rows = table.rows.copy()
    if not len(rows):
        return rows, np.zeros(0, bool)
    found = boxes.masks(subject)
    small, inverted, corners = (found[f"box-{kind}"] for kind in ("normalised", "inverted", "corners"))
    rows[small] *= np.tile(table.size[small], 2)
    rows[inverted, :2] += np.minimum(rows[inverted, 2:], 0)
    rows[inverted, 2:] = np.abs(rows[inverted, 2:])
    rows[corners, 2:] -= rows[corners, :2]
    told = {
        "boxes in fractions multiplied by their picture's size": small,
        "boxes whose corners were exchanged set right": inverted,
        "boxes given by corners made corner and size": corners,
        "boxes there twice dropped": found["box-duplicate"],
    }
    changes.update({words: int(mask.sum()) for words, mask in told.items() if mask.any()})
    return rows, found["box-duplicate"]


def _entry(subject: Subject, index: int, entry: Entry, rows: np.ndarray, drop: np.ndarray) -> SourcePicture:
    """An entry with its boxes mended; the very same where nothing changed."""
    before = subject.boxes.rows[int(subject.firsts[index]) : int(subject.firsts[index + 1])]
    if not drop.any() and np.array_equal(before, rows, equal_nan=True):
        return entry.note
    kept: list[SourceBox] = [
        replace(box, x=x, y=y, width=width, height=height)
        for box, (x, y, width, height), dropped in zip(entry.note.boxes, rows.tolist(), drop, strict=True)
        if not dropped
    ]
    return replace(entry.note, boxes=tuple(kept), size=subject.size_of(index), fractions=False)


def _copies(subject: Subject) -> dict[str, str]:
    """Pictures that are there already, and why each can go: kept is the one of test, else val, with most boxes."""
    rank = {split: number for number, split in enumerate(reversed(SPLITS))}
    dropped = {}
    good = {path: look for path, look in subject.looks.items() if not look.problem}
    for group in images.duplicates(subject.sources, good):

        def order(path: str) -> tuple:
            count = sum(len(entry.note.boxes) for entry in subject.by_path.get(path, ()))
            return rank.get(subject.splits.get(path) or "", len(rank)), -count, path

        first, *others = sorted(group, key=order)
        where = subject.splits.get(first)
        dropped |= dict.fromkeys(others, f"a copy of {first}" + (f" in {where}" if where else ""))
    return dropped
