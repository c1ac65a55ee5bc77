"""A source's pictures on their way into a dataset's folder: what they are called there, and writing them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import TypeVar

from isomer import files, progress
from isomer.dataset import pictures
from isomer.dataset.account import Account
from isomer.dataset.matching import Found
from isomer.dataset.pictures import Header, PictureError
from isomer.dataset.source import LeftOut, Tree

T = TypeVar("T")
U = TypeVar("U")


def store_all(tree: Tree, found: list[Found], images: Path, link: bool, account: Account) -> list[Found]:
    """Write the pictures into a folder; returns those that could be, each with its file name."""
    taken: set[str] = set()
    for item in found:
        item.file_name = _file_name(item.path, item.header, taken)
    kept = []

    def store(item: Found) -> bool:
        target = images / item.file_name
        linked = pictures.store(item.picture(tree), item.header, target, link=link, verified=True)
        if item.header.changes:
            item.sha256 = files.sha256_of_file(target)
        return linked

    for item, linked in zip(found, _in_threads(store, found, "take pictures"), strict=True):
        if isinstance(linked, PictureError):
            account.left_out.append(LeftOut("picture", str(linked), item.path, len(item.boxes)))
            continue
        kept.append(item)
        account.linked += linked
        account.changed.update(f"pictures: {change}" for change in item.header.changes)
    account.pictures_kept = len(kept)
    account.negatives = sum(not item.boxes for item in kept)
    account.boxes_kept = sum(len(item.boxes) for item in kept)
    return kept


def _file_name(path: str, header: Header, taken: set[str]) -> str:
    """A picture's name in images/: its own, with its folders' where another has that, with the right suffix."""
    # names that are no UTF-8 cannot stand in JSON
    place = PurePosixPath(path.encode("utf-8", "replace").decode().replace("?", "_"))
    right = place.suffix.lower() in {"JPEG": (".jpg", ".jpeg"), "PNG": (".png",)}[header.saved_format]
    suffix = place.suffix if right else pictures.SUFFIXES[header.saved_format]
    long = "_".join((*place.parts[:-1], place.stem))
    for stem in itertools.chain((place.stem, long), (f"{long}_{number}" for number in itertools.count(2))):
        name = stem + suffix
        # some file systems take names for equal that differ in case
        if name.casefold() not in taken:
            break
    taken.add(name.casefold())
    return name


def _in_threads(function: Callable[[T], U], items: Sequence[T], what: str) -> Iterator[U | PictureError]:
    """The results in the items' order, or the PictureError that each ended with."""

    def guarded(item: T) -> U | PictureError:
        try:
            return function(item)
        except PictureError as error:
            return error

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        yield from progress.track(pool.map(guarded, items), what, unit="pictures", total=len(items))
