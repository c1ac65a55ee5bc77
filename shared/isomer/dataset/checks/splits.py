"""Checks of splits, of the numbers of pictures, and of what dataset.json says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from isomer.dataset import content
from isomer.dataset.checks.findings import Finding
from isomer.dataset.checks.subject import Subject
from isomer.dataset.content import SPLITS

MEASURABLE = 20
FEW = 50


def check(subject: Subject) -> Iterator[Finding]:
    counts = Counter(split for split in subject.splits.values() if split)
    declared = subject.reading.splits | set(counts)
    for split in SPLITS:
        if split in declared and not counts[split]:
            yield Finding("split-empty", "", split)
        elif declared and split not in declared:
            yield Finding("split-missing", "", split)
        elif split != "train" and 0 < counts[split] < MEASURABLE:
            yield Finding("split-small", "", f"{split} has {counts[split]}")
    total = len(subject.splits)
    with_boxes = {entry.path for entry in subject.entries if entry.path and entry.note.boxes}
    if total and len(with_boxes) * 2 < total:
        yield Finding("mostly-negative", "", f"{total - len(with_boxes)} of {total}")
    if total < FEW:
        yield Finding("few-pictures", "", str(total))
    if subject.dataset:
        yield from _of_dataset(subject, counts)


def _of_dataset(subject: Subject, counts: Counter[str]) -> Iterator[Finding]:
    about = subject.dataset
    boxes = Counter()
    for entry in subject.entries:
        boxes[entry.split] += len(entry.note.boxes)
    for split, said in about.get("splits", {}).items():
        found = {"images": counts[split], "boxes": boxes[split]}
        for key in (key for key in found if said.get(key) != found[key]):
            yield Finding(
                "dataset-counts", "dataset.json", f"{split}: {said.get(key)} {key}, found {found[key]}", split
            )
    names = [item.get("name") for item in about.get("classes", [])]
    if names != list(subject.reading.labels):
        value = f"classes {', '.join(map(str, names))}; in the splits {', '.join(subject.reading.labels)}"
        yield Finding("dataset-counts", "dataset.json", value, "classes")
    if subject.deep:
        yield from _of_content(subject)


def _of_content(subject: Subject) -> Iterator[Finding]:
    folder = subject.tree.root
    try:
        cocos = {split: json.loads((folder / f"{split}.json").read_text()) for split in SPLITS}
        found = content.content_sha256(folder, subject.reading.labels, cocos)
    except (OSError, KeyError, TypeError, json.JSONDecodeError):
        return  # what is missing or unreadable has been found already
    if found != subject.dataset["sha256"]:
        yield Finding("dataset-changed", "dataset.json", f"sha256 {found[:12]} now")
