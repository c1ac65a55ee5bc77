"""Checks of picture files, from the looks at them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from isomer.dataset import canonical
from isomer.dataset.checks import images
from isomer.dataset.checks.findings import Finding
from isomer.dataset.checks.images import Look
from isomer.dataset.checks.subject import Subject

GIANT = 50_000_000  # pixels
SMALL = 32
SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "TIFF": (".tif", ".tiff"),
}


def check(subject: Subject) -> Iterator[Finding]:
    for path, look in subject.looks.items():
        if look.problem:
            yield Finding("image-truncated" if look.truncated else "image-unreadable", path, look.problem)
        elif look.header:
            yield from _of_header(path, look)
    good = {path: look for path, look in subject.looks.items() if not look.problem}
    for group in images.duplicates(subject.sources, good):
        yield from _of_copies(subject, group)
    for one, other in images.near_duplicates(good) if subject.deep else ():
        splits = [subject.splits.get(path) for path in (one, other)]
        if splits[0] and splits[1] and splits[0] != splits[1]:
            yield Finding("leakage-near", other, f"{splits[1]}, like {one} of {splits[0]}")
    if subject.dataset:
        unused = (path for path in subject.negatives if path.startswith(f"{canonical.IMAGES}/"))
        yield from (Finding("image-unused", path) for path in unused)


def _of_header(path: str, look: Look) -> Iterator[Finding]:
    header = look.header
    size = f"{header.width}x{header.height}"
    if header.width * header.height > GIANT:
        yield Finding("image-giant", path, size)
    if min(header.width, header.height) < SMALL:
        yield Finding("image-small", path, size)
    if header.orientation != 1:
        yield Finding("image-turned", path, f"EXIF orientation {header.orientation}")
    suffix = PurePosixPath(path).suffix.lower()
    if suffix not in SUFFIXES.get(header.format, (f".{header.format.lower()}",)):
        yield Finding("image-suffix", path, header.format)
    converted = [change for change in header.changes if " made " in change]
    if converted:
        yield Finding("image-mode", path, ", ".join(converted))


def _of_copies(subject: Subject, group: list[str]) -> Iterator[Finding]:
    """Leakage for the copies in other splits than the first; else plain duplicates."""
    first = group[0]
    for path in group[1:]:
        own, other = subject.splits.get(path), subject.splits.get(first)
        if own and other and own != other:
            yield Finding("leakage", path, f"{own}, the same as {first} of {other}")
        else:
            yield Finding("image-duplicate", path, f"the same as {first}")
