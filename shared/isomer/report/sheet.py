"""The contact sheet: which pictures of each split, small enough to embed many, with their boxes."""

from __future__ import annotations

import base64
import hashlib
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL import Image

from isomer.dataset.canonical import Picture, Split
from isomer.errors import UserError
from isomer.report.pictures import Frame, box_frame

PICTURES = 96
WIDEST = 300  # pixels of an embedded picture
JPEG_QUALITY = 72
BUDGET = 3_500_000  # bytes of all embedded pictures, so that the page stays below 5 MB
PER_CLASS = 3  # pictures of each class before the rest is filled by chance
MOST_FRAMES = 150  # of a picture: more cover it


@dataclass(frozen=True)
class Thumbnail:
    """A picture on the sheet. data: URL; frames: its boxes; classes: their numbers."""

    picture: Picture
    data: str
    frames: list[Frame]
    classes: list[int]


def contact_sheet(splits: Sequence[Split]) -> dict[str, list[Thumbnail]]:
    """Pictures of each split, as many as fit; a split's share is its share of the dataset, but a sixth at least."""
    total = sum(len(split.pictures) for split in splits)
    sheet: dict[str, list[Thumbnail]] = {}
    left = BUDGET
    for split in splits:
        share = max(len(split.pictures) / total, 1 / 6)
        room = BUDGET * share / sum(max(len(one.pictures) / total, 1 / 6) for one in splits)
        sheet[split.name] = []
        for picture in choose(split, round(PICTURES * share)):
            if (thumbnail := _thumbnail(split, picture)) is None:
                continue
            room -= len(thumbnail.data)
            left -= len(thumbnail.data)
            if min(room, left) < 0 and sheet[split.name]:
                break
            sheet[split.name].append(thumbnail)
    return sheet


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


def _thumbnail(split: Split, picture: Picture) -> Thumbnail | None:
    """None for a picture that cannot be read: the findings say so."""
    try:
        with Image.open(split.path(picture)) as image:
            # a JPEG is decoded at a fraction of its size
            image.draft("RGB", (2 * WIDEST, 2 * WIDEST))
            small = image.convert("RGB")
    except (OSError, SyntaxError, ValueError, UserError):
        return None
    small.thumbnail((WIDEST, 2 * WIDEST), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=JPEG_QUALITY, optimize=True)
    data = "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
    largest = sorted(picture.boxes, key=lambda box: -box.width * box.height)[:MOST_FRAMES]
    frames = [box_frame(split, "truth", box) for box in largest]
    return Thumbnail(picture, data, frames, sorted({box.category for box in picture.boxes}))
