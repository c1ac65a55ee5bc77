"""A look at picture files without decoding them: header, size, whether the end is there, and a fingerprint.

A JPEG or PNG that lacks its end mark is decoded to be sure, as are formats that have none; the others only with
`deep`. Pictures of equal fingerprint are compared byte for byte.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from isomer import files
from isomer.dataset import alike, looking, pictures
from isomer.dataset.pictures import Header, PictureError, PictureSource

TAIL = 4096  # bytes at the end that are read of every file


@dataclass(frozen=True)
class Look:
    """What was seen of one picture file.

    problem: why it cannot be used, "" if it can; truncated: because it ends early; fingerprint: equal for equal
    files, hardly ever for others; cells: what it shows, see `alike`, if it was decoded.
    """

    header: Header | None
    problem: str
    truncated: bool
    fingerprint: bytes
    cells: bytes = b""


def look_at_all(sources: dict[str, PictureSource], *, deep: bool) -> dict[str, Look]:
    """Look at every picture, in several processes where there are many."""
    seen = looking.in_processes(partial(look_at, deep=deep), list(sources.values()))
    return dict(zip(sources, seen, strict=True))


def look_at(path: PictureSource, *, deep: bool = False) -> Look:
    """What can be seen of one picture."""
    try:
        fingerprint, tail = _fingerprint(path)
    except OSError as error:
        return Look(None, f"cannot be read ({error.strerror})", False, b"")
    try:
        header = pictures.inspect(path, whole=deep)
    except PictureError as error:
        return Look(None, str(error), "runcated" in str(error), fingerprint)
    if deep or not _has_end(header.format, tail):
        try:
            return Look(header, "", False, fingerprint, _decoded(path))
        except PictureError as error:
            return Look(header, str(error), "runcated" in str(error), fingerprint)
    return Look(header, "", False, fingerprint)


def duplicates(sources: dict[str, PictureSource], looks: dict[str, Look]) -> Iterator[list[str]]:
    """Groups of pictures with the same bytes."""
    for group in _grouped(looks, lambda path: looks[path].fingerprint):
        yield from _grouped(group, lambda name: _sha256(sources[name]))


def near_duplicates(looks: dict[str, Look]) -> Iterator[tuple[str, str]]:
    """Pairs of pictures that look alike and are not the same bytes, after a deep look."""
    cells = {name: look.cells for name, look in looks.items() if look.cells}
    for name, first in alike.groups(cells, {}).items():
        if looks[name].fingerprint != looks[first].fingerprint:
            yield first, name


def _fingerprint(path: PictureSource) -> tuple[bytes, bytes]:
    """The picture's size and a hash of its end; and that end."""
    with path.open("rb") if isinstance(path, Path) else io.BytesIO(path()) as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - TAIL))
        tail = stream.read()
    return size.to_bytes(8, "big") + hashlib.blake2b(tail, digest_size=16).digest(), tail


def _has_end(kind: str, tail: bytes) -> bool:
    """Whether a file's last bytes show that it is whole; False where that cannot be told."""
    if kind == "JPEG":
        # a scan holds no such marker, but a thumbnail before the scan does
        return tail.rfind(b"\xff\xd9") > tail.rfind(b"\xff\xda")
    return kind == "PNG" and b"IEND" in tail


def _decoded(path: PictureSource) -> bytes:
    with pictures.opened(path) as image:
        image.load()
        return alike.fingerprint(image)


def _sha256(path: PictureSource) -> str:
    return files.sha256_of_file(path) if isinstance(path, Path) else hashlib.sha256(path()).hexdigest()


def _grouped(paths, key) -> Iterator[list[str]]:
    groups = defaultdict(list)
    for path in paths:
        groups[key(path)].append(path)
    yield from (group for group in groups.values() if len(group) > 1)
