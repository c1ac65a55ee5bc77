"""Checks of classes: their names, their numbers, and where they occur."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

from isomer.dataset.canonical import SPLITS
from isomer.dataset.checks.findings import Finding
from isomer.dataset.checks.subject import Subject

RARE = 10
IMBALANCE = 100
UNLIKE = 3.0  # times more or less often in val or test than in train
UNLIKE_BOXES = 30  # expected boxes from which on that is no chance


def check(subject: Subject) -> Iterator[Finding]:
    counts = subject.class_counts()
    if not counts:
        return
    alike = defaultdict(list)
    most, largest = counts.most_common(1)[0]
    for label, count in counts.items():
        alike[folded(label)].append(label)
        where = subject.example(label)
        if re.fullmatch(r"\d+", label):
            yield Finding("class-name-number", where, repr(label))
        if count == 0:
            yield Finding("class-empty", where, repr(label))
        elif count < RARE:
            yield Finding("class-rare", where, f"{label!r} has {count}")
        elif count * IMBALANCE < largest:
            yield Finding("class-imbalance", where, f"{label!r} has {count}, {most!r} {largest}")
    for group in alike.values():
        if len(group) > 1:
            value = ", ".join(f"{label!r} ({counts[label]} boxes)" for label in group)
            yield Finding("class-names-alike", subject.example(min(group, key=lambda label: counts[label])), value)
    yield from _by_split(subject, counts)


def folded(label: str) -> str:
    """Equal for class names that mean the same: case, and spaces, hyphens and underscores, do not count."""
    return re.sub(r"[\s_-]+", "", label).casefold()


def _by_split(subject: Subject, counts: Counter[str]) -> Iterator[Finding]:
    """Classes that lack where they should be, or are much rarer or more frequent in one split."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for entry in subject.entries:
        if entry.split:
            found[entry.split].update(box.label for box in entry.note.boxes)
    there = [split for split in SPLITS if found[split]]
    if len(there) < 2 or "train" not in there:
        return
    totals = {split: found[split].total() for split in there}
    for label in (label for label, count in counts.items() if count):
        if not found["train"][label]:
            yield Finding("class-not-in-train", subject.example(label), repr(label))
            continue
        for split in there[1:]:
            expected = found["train"][label] * totals[split] / totals["train"]
            count = found[split][label]
            if not count:
                yield Finding("class-not-measured", subject.example(label), f"{label!r} is not in {split}")
            elif expected >= UNLIKE_BOXES and not 1 / UNLIKE <= count / expected <= UNLIKE:
                yield Finding(
                    "split-unlike",
                    subject.example(label),
                    f"{label!r} has {count} boxes in {split}, about {expected:.0f} expected",
                )
