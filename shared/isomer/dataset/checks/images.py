"""A look at picture files without decoding them: header, size, whether the end is there, and a fingerprint.

A JPEG or PNG that lacks its end mark is decoded to be sure, as are formats that have none; the others only with
`deep`. Pictures of equal fingerprint are compared byte for byte.
"""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from isomer import files, progress
from isomer.dataset import pictures
from isomer.dataset.pictures import Header, PictureError, PictureSource

TAIL = 4096  # bytes at the end that are read of every file
CHUNK = 500  # pictures that a process takes at a time
PARALLEL = 2000  # pictures from which on processes are worth their start
HASH_SIDE = 8
NEAR = 4  # bits of 64 in which the hashes of near-copies differ at most


@dataclass(frozen=True)
class Look:
    """What was seen of one picture file.

    problem: why it cannot be used, "" if it can; truncated: because it ends early; fingerprint: equal for equal
    files, hardly ever for others; perceptual: 64 bits of what it shows, only of a deep look.
    """

    header: Header | None
    problem: str
    truncated: bool
    fingerprint: bytes
    perceptual: int | None = None


def look_at_all(sources: dict[str, PictureSource], *, deep: bool) -> dict[str, Look]:
    """Look at every picture, in several processes where there are many files."""
    places = list(sources.values())
    chunks = [places[start : start + CHUNK] for start in range(0, len(places), CHUNK)]
    look = partial(_look_at_some, deep=deep)
    seen: list[Look] = []
    cores = len(os.sched_getaffinity(0))
    are_files = all(isinstance(place, Path) for place in places)
    with progress.Bar("look at pictures", len(places), "pictures") as bar:
        if cores > 1 and are_files and len(places) >= (CHUNK if deep else PARALLEL):
            # not forked: the bar has a thread of its own
            with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
                for part in pool.map(look, chunks):
                    seen += part
                    bar.advance(len(part))
        else:
            for chunk in chunks:
                seen += look(chunk)
                bar.advance(len(chunk))
    return dict(zip(sources, seen, strict=True))


def _look_at_some(places: Sequence[PictureSource], *, deep: bool) -> list[Look]:
    return [look_at(place, deep=deep) for place in places]


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
            return Look(header, "", False, fingerprint, _decoded(path) if deep else _verified(path))
        except PictureError as error:
            return Look(header, str(error), "runcated" in str(error), fingerprint)
    return Look(header, "", False, fingerprint)


def duplicates(sources: dict[str, PictureSource], looks: dict[str, Look]) -> Iterator[list[str]]:
    """Groups of pictures with the same bytes."""
    for group in _grouped(looks, lambda path: looks[path].fingerprint):
        yield from _grouped(group, lambda name: _sha256(sources[name]))


def near_duplicates(looks: dict[str, Look]) -> Iterator[tuple[str, str]]:
    """Pairs of pictures that look alike and are not the same bytes, after a deep look."""
    # one without any edge resembles all others like it
    paths = [path for path, look in looks.items() if look.perceptual]
    hashes = np.array([looks[path].perceptual for path in paths], np.uint64)
    for index, own in enumerate(hashes):
        distance = np.bitwise_count(hashes[index + 1 :] ^ own)
        for other in np.flatnonzero(distance <= NEAR):
            pair = paths[index], paths[index + 1 + other]
            if looks[pair[0]].fingerprint != looks[pair[1]].fingerprint:
                yield pair


def perceptual_hash(image: Image.Image) -> int:
    """64 bits: whether each of 8×8 cells is brighter than its right neighbour (dHash, after Neal Krawetz)."""
    small = np.asarray(image.convert("L").resize((HASH_SIDE + 1, HASH_SIDE), Image.Resampling.BOX), np.int16)
    return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes(), "big")


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


def _verified(path: PictureSource) -> None:
    with pictures.opened(path) as image:
        image.load()


def _decoded(path: PictureSource) -> int:
    with pictures.opened(path) as image:
        image.load()
        return perceptual_hash(image)


def _sha256(path: PictureSource) -> str:
    return files.sha256_of_file(path) if isinstance(path, Path) else hashlib.sha256(path()).hexdigest()


def _grouped(paths, key) -> Iterator[list[str]]:
    groups = defaultdict(list)
    for path in paths:
        groups[key(path)].append(path)
    yield from (group for group in groups.values() if len(group) > 1)
