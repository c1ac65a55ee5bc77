"""Checks of boxes: each is a mask over all of them at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from isomer.dataset.boxes import TOLERANCE
from isomer.dataset.checks.findings import Finding, described
from isomer.dataset.checks.subject import BoxTable, Subject

ROUNDING = 1.0  # pixels that a box may reach over the edge: tools round, and some count from 1
TINY = 2.0  # pixels of the picture
TINY_AT_SIZE = 8.0  # pixels of the model's input: less than one cell of the finest feature map
WHOLE = 0.98  # of width and of height
THIN = 20.0
MANY = 100
CORNERS_SHARE = 0.2
CORNERS_BOXES = 5


def check(subject: Subject) -> Iterator[Finding]:
    if not len(subject.boxes.rows):
        yield Finding("no-boxes", "")
        return
    for code, mask in masks(subject).items():
        for row in np.flatnonzero(mask):
            yield finding(subject, code, int(row))
    counts = np.diff(subject.firsts)
    for index in np.flatnonzero(counts > MANY):
        entry = subject.entries[index]
        yield Finding("boxes-many", entry.note.annotation, str(counts[index]), entry.place)


def masks(subject: Subject) -> dict[str, np.ndarray]:
    """Which boxes each code is about, bool [n]; there is one box at least."""
    table = subject.boxes
    rows, size = table.rows, table.size
    finite = np.isfinite(rows).all(axis=1)
    negative = finite & (rows[:, 2:] <= -TOLERANCE).any(axis=1)
    area = table.has_area & ~table.normalised
    with np.errstate(invalid="ignore"):
        ends = rows[:, :2] + rows[:, 2:]
        outside = area & ((rows[:, :2] >= size) | (ends <= 0)).any(axis=1)
        over = area & ~outside & ((rows[:, :2] < -ROUNDING) | (ends > size + ROUNDING)).any(axis=1)
        whole = area & (rows[:, 2:] >= WHOLE * size).all(axis=1)
        scaled = rows[:, 2:] * subject.size / size
    sound = area & ~outside
    tiny = sound & (rows[:, 2:] < TINY).any(axis=1)
    sides = np.sort(rows[:, 2:], axis=1)
    corners = _corners(subject, sound & over)
    same, other = duplicates(table)
    return {
        "box-not-finite": ~finite,
        "box-inverted": negative,
        "box-no-area": finite & ~negative & ~table.has_area,
        "box-normalised": table.normalised,
        "box-corners": corners,
        "box-outside": outside,
        "box-over-edge": over & ~corners,
        "box-tiny": tiny,
        "box-tiny-at-size": sound & ~tiny & (scaled < TINY_AT_SIZE).any(axis=1),
        "box-whole-picture": whole & ~corners,
        "box-thin": sound & ~tiny & (sides[:, 1] > THIN * np.maximum(sides[:, 0], TOLERANCE)),
        "box-duplicate": same & table.has_area,
        "box-two-classes": other & table.has_area,
    }


def finding(subject: Subject, code: str, row: int) -> Finding:
    """A finding about one box; its line is looked up later."""
    entry, box = subject.box(row)
    size = subject.boxes.size[row]
    within = f" in {described(size).replace(', ', 'x')}" if np.isfinite(size).all() else ""
    value = f"{box.label}: {described((box.x, box.y, box.width, box.height))}{within}"
    return Finding(code, entry.note.annotation, value, entry.place, box=row)


def duplicates(table: BoxTable) -> tuple[np.ndarray, np.ndarray]:
    """Which boxes repeat an earlier one of their picture, to a tenth of a pixel: with its class, and with another."""
    keys = np.column_stack([table.entry, np.nan_to_num(np.round(table.rows * 10), posinf=0, neginf=0)]).astype(np.int64)
    order = np.lexsort((np.arange(len(keys)), table.label, *keys.T[::-1]))
    keys, labels = keys[order], table.label[order]
    repeats = np.r_[False, (keys[1:] == keys[:-1]).all(axis=1)]
    equal = np.r_[False, labels[1:] == labels[:-1]]
    same, other = np.zeros(len(order), bool), np.zeros(len(order), bool)
    same[order] = repeats & equal
    other[order] = repeats & ~equal
    return same, other


def _corners(subject: Subject, over: np.ndarray) -> np.ndarray:
    """Which boxes are corners where corner and size belong: told by a whole annotation file, if at all.

    Every box's "width" is then above its x and none reaches over the picture by itself, yet together many do.
    """
    table = subject.boxes
    files = {name: number for number, name in enumerate(dict.fromkeys(e.note.annotation for e in subject.entries))}
    of_entry = np.array([files[entry.note.annotation] for entry in subject.entries], int)
    # one file a picture is too little to tell: all such files together
    group = of_entry[table.entry] if len(files) * 2 < len(subject.entries) else np.zeros(len(table.entry), int)
    with np.errstate(invalid="ignore"):
        fits = (table.rows[:, 2:] > table.rows[:, :2]) & (table.rows[:, 2:] <= table.size + ROUNDING)
    everything = np.bincount(group)
    never_contradicted = np.bincount(group, ~fits.all(axis=1)) == 0
    often = np.bincount(group, over) >= np.maximum(CORNERS_SHARE * everything, 1)
    return (never_contradicted & often & (everything >= CORNERS_BOXES))[group]
