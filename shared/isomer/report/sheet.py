"""The contact sheet: which pictures of each split a dataset's page shows."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from isomer.dataset.canonical import Picture, Split

PICTURES = 120
BUDGET = 3_500_000  # bytes of all embedded pictures, so that the page stays below 5 MB
PER_CLASS = 3  # pictures of each class before the rest is filled by chance
MOST_BOXES = 150  # of a picture: more cover it


def contact_sheet(splits: Sequence[Split]) -> dict[str, list[Picture]]:
    """Pictures of each split; its share is its share of the dataset, but a sixth at least."""
    total = sum(len(split.pictures) for split in splits)
    shares = {split.name: max(len(split.pictures) / total, 1 / 6) for split in splits}
    return {
        split.name: [_readable(one) for one in choose(split, round(PICTURES * shares[split.name]))] for split in splits
    }


def choose(split: Split, count: int) -> list[Picture]:
    """`count` pictures, the same each time: first some of each class, then any; in the order of their names."""
    order = sorted(split.pictures, key=lambda picture: hashlib.sha256(picture.file_name.encode()).digest())
    return sorted(_first(order, count), key=lambda picture: picture.file_name)


def _first(order: list[Picture], count: int) -> Iterator[Picture]:
    """Of pictures in an order by chance those that show a class still rarely seen, then the others."""
    seen: Counter[int] = Counter()
    rest = []
    for picture in order:
        classes = {box.category for box in picture.boxes}
        if count and any(seen[number] < PER_CLASS for number in classes):
            seen.update(classes)
            count -= 1
            yield picture
        else:
            rest.append(picture)
    yield from rest[:count]


def _readable(picture: Picture) -> Picture:
    """The picture with its largest boxes."""
    return replace(picture, boxes=tuple(sorted(picture.boxes, key=lambda box: -box.width * box.height)[:MOST_BOXES]))
