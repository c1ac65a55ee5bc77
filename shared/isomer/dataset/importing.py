"""Labelled pictures in any known format become a canonical dataset, and nothing is lost in silence.

A format module reads the annotations; each finds its picture; headers tell sizes and orientation; boxes go into the
upright picture's frame and are clipped to it; pictures are stored; the splits are settled; all is written at once.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import TypeVar

from isomer import files, progress
from isomer.dataset import (
    alike,
    archives,
    boxes,
    canonical,
    documents,
    formats,
    looking,
    matching,
    pictures,
    selecting,
    splits,
)
from isomer.dataset.account import Account
from isomer.dataset.boxes import BoxError, Frame
from isomer.dataset.canonical import Box, Dataset, Picture
from isomer.dataset.formats import Detected, folder
from isomer.dataset.matching import Found
from isomer.dataset.pictures import Header, PictureError
from isomer.dataset.source import LeftOut, Reading, SourceBox, SourcePicture, Tree
from isomer.errors import UserError

T = TypeVar("T")
U = TypeVar("U")


def import_source(
    source: Path,
    target: Path,
    *,
    format_name: str | None = None,
    shares_text: str | None = None,
    seed: int = 0,
    link: bool = False,
    classes_text: str | None = None,
    min_area: float = 0.0,
    limit: int | None = None,
    reading: Reading | None = None,
) -> tuple[Dataset, Account]:
    """Import a folder, an archive or an annotation file as the dataset folder `target`, replacing what is there at the
    end.

    Args:
        format_name: as `--format`; None to detect it. shares_text: as `--split`; None for the source's own splits.
        classes_text, min_area, limit: as `--classes`, `--min-area` and `--limit`. reading: what to take for what the
            source's annotations say, mended say.

    Raises:
        UserError: nothing can be made of the source; `target` is then as it was.
    """
    shares = None if shares_text is None else splits.parse_shares(shares_text)
    wanted = None if classes_text is None else selecting.parse_classes(classes_text)
    with files.replacing_folder(target) as temporary:
        tree, account = _opened(source, temporary / "unpacked")
        chosen, *others = formats.detect(tree, format_name)
        documents.forget()
        progress.say(f"format {chosen.format.NAME}: {chosen.evidence}")
        reading = reading or chosen.reading
        account.left_out += reading.left_out
        account.notes += [*reading.notes, *map(_not_taken, others)]
        found = matching.match(tree, reading, others, account)
        labels = reading.labels or tuple(sorted({box.label for item in found for box in _source_boxes(item)}))
        if wanted:
            selecting.check_classes(wanted, labels)
        if limit:
            found = selecting.limit(found, limit, seed, account)
        declared = reading.splits | {item.split for item in found if item.split}
        found = _looked_at(tree, found, account)
        _settle_boxes(found, account)
        found = selecting.select(found, wanted, min_area, account)
        (temporary / canonical.IMAGES).mkdir()
        unpacked = tree.root.is_relative_to(temporary)
        kept = _stored(tree, found, temporary / canonical.IMAGES, link or unpacked, account)
        used = {box.label for item in kept for box in item.boxes}
        if not used and chosen.format is not folder:
            raise UserError(f"no box is left of {source}:\n{account.text()}")
        order = wanted.in_order(labels) if wanted else labels
        classes = tuple(label for label in order if label in used)
        account.unused = tuple(label for label in order if label not in used)
        account.linked = account.linked if link else 0
        division = _divided(kept, shares, declared, seed, account, divide=chosen.format is not folder)
        canonical.write(
            temporary,
            classes,
            _canonical(kept, classes, division),
            {
                "name": target.name,
                "source": source.resolve().name,
                "format": chosen.format.NAME,
                "licence": reading.licence or _licence(tree),
                "options": {
                    "split": shares_text,
                    "seed": seed,
                    "classes": classes_text,
                    "min_area": min_area,
                    "limit": limit,
                },
                "import": account.to_json(),
            },
            {item.file_name: item.sha256 for item in kept},
        )
        shutil.rmtree(temporary / "unpacked", ignore_errors=True)
    return canonical.load(target), account


def _opened(source: Path, scratch: Path) -> tuple[Tree, Account]:
    """The source's files, an archive's unpacked into `scratch`, and the account of what was left out by that."""
    if not archives.is_archive(source):
        return Tree(source), Account()
    progress.say(f"unpacking {source.name}")
    left_out = archives.unpack(source, scratch)
    return Tree(scratch, str(source)), Account(left_out)


def _not_taken(other: Detected) -> str:
    name = other.format.NAME
    return f"{name} was there too, with {other.count} ({other.evidence}), and not taken: --format {name} takes it"


def _source_boxes(item: Found) -> Iterator[SourceBox]:
    for note in item.annotations:
        yield from note.boxes


def _looked_at(tree: Tree, found: list[Found], account: Account) -> list[Found]:
    """The pictures that can be read to their end, with what was seen of them."""
    kept = []
    looks = looking.look_at_all([item.picture(tree) for item in found])
    for item, look in zip(found, looks, strict=True):
        if look.problem:
            account.left_out.append(LeftOut("picture", look.problem, item.path, item.boxes_read))
        else:
            item.header, item.sha256, item.fingerprint = look.header, look.sha256, look.fingerprint
            kept.append(item)
    return kept


def _settle_boxes(found: list[Found], account: Account) -> None:
    """Fill `boxes` in the upright picture's pixels; pictures whose boxes cannot be placed are taken out of the list."""
    frames = [boxes.frame_of(item.header, note.size) for item in found for note in item.annotations]
    usual = boxes.majority(frames)
    for item in list(found):
        before = len(account.left_out)
        try:
            placed = [box for note in item.annotations for box in _placed(item, note, usual, account)]
        except BoxError as error:
            # what was said of single boxes is part of the whole
            del account.left_out[before:]
            account.left_out.append(LeftOut("picture", str(error), item.path, item.boxes_read))
            found.remove(item)
            continue
        item.boxes = list(dict.fromkeys(placed)) if len(item.annotations) > 1 else placed
        if repeated := len(placed) - len(item.boxes):
            account.left_out.append(LeftOut("box", "repeated by another annotation", item.path, repeated))


def _placed(item: Found, note: SourcePicture, usual: Frame, account: Account) -> Iterator[SourceBox]:
    """One annotation's boxes in the upright picture, clipped to it."""
    header = item.header
    frame = boxes.frame_of(header, note.size) or usual
    resized = (1.0, 1.0) if note.fractions else boxes.scale_of(header, frame, note.size, note.boxes)
    factors = boxes.pixels_of(header, frame) if note.fractions else resized
    if resized != (1.0, 1.0) and note.boxes:
        account.changed["pictures resized since they were annotated, boxes scaled to them"] += 1
    for box in note.boxes:
        if factors != (1.0, 1.0):
            box = boxes.scaled(box, *factors)
        if frame is Frame.STORED and header.orientation != 1:
            box = boxes.upright(box, header)
            account.changed["boxes turned with their picture"] += 1
        try:
            inside = boxes.clipped(box, header.upright_size)
        except BoxError as error:
            account.left_out.append(LeftOut("box", str(error), note.annotation, 1))
            continue
        if inside != box:
            account.changed["boxes clipped to their picture"] += 1
        yield inside


def _stored(tree: Tree, found: list[Found], images: Path, link: bool, account: Account) -> list[Found]:
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


def _divided(
    kept: list[Found], shares: tuple | None, declared: set[str], seed: int, account: Account, *, divide: bool
) -> dict[str, str]:
    """The split of each picture; `divide`: whether pictures may be given another than the source's."""
    own = {item.path: item.split for item in kept if item.split}
    labels = {item.path: [box.label for box in item.boxes] for item in kept}
    if shares is None and not divide:
        account.division = "test, but for pictures in another split's folder: nothing has a box"
        return own
    together = alike.groups({item.path: item.fingerprint for item in kept}, {item.path: item.sha256 for item in kept})
    if shares is not None:
        division = splits.divide(labels, dict(zip(canonical.SPLITS, shares, strict=True)), seed, together)
        account.division = f"divided {','.join(f'{share:g}' for share in shares)} as --split says"
    else:
        _refuse_empty(declared, own, account)
        division, account.division = splits.complete(own, labels, seed, together)
    if together and division != own:
        account.division += _kept_together(together, division)
    return division


def _kept_together(together: dict[str, str], division: dict[str, str]) -> str:
    """What became of pictures that look alike, in words."""
    splits_of = defaultdict(set)
    for path, first in together.items():
        splits_of[first].add(division[path])
    parted = sum(len(splits_of[first]) > 1 for first in together.values())
    stay = len(together) - parted
    return f"; {stay} pictures that look like others stay in one split with these" * bool(stay) + (
        f"; {parted} that look like others were too many for one split" * bool(parted)
    )


def _refuse_empty(declared: set[str], own: dict[str, str], account: Account) -> None:
    """A split that the source has but that has no picture (left) is a mistake of somebody's, not a wish."""
    empty = [split for split in canonical.SPLITS if split in declared and split not in own.values()]
    if empty:
        raise UserError(
            f"the source's {' and '.join(empty)} split is empty: put pictures into it, or give --split to divide all "
            f"pictures anew\n{account.text()}"
        )


def _canonical(kept: list[Found], classes: tuple[str, ...], division: dict[str, str]) -> dict[str, tuple]:
    numbers = {label: number for number, label in enumerate(classes, start=1)}
    made: dict[str, list[Picture]] = {split: [] for split in canonical.SPLITS}
    for item in kept:
        width, height = item.header.upright_size
        own = tuple(Box(numbers[box.label], box.x, box.y, box.width, box.height, box.crowd) for box in item.boxes)
        made[division[item.path]].append(Picture(0, item.file_name, width, height, own))
    return {split: tuple(found) for split, found in made.items()}


def _in_threads(function: Callable[[T], U], items: Sequence[T], what: str) -> Iterator[U | PictureError]:
    """The results in the items' order, or the PictureError that each ended with."""

    def guarded(item: T) -> U | PictureError:
        try:
            return function(item)
        except PictureError as error:
            return error

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        yield from progress.track(pool.map(guarded, items), what, unit="pictures", total=len(items))


def _licence(tree: Tree) -> str | None:
    """What a README says of the licence in a line of its own, else the first line of a LICENSE file."""
    for name in (name for name in tree.files if "/" not in name and name.lower().startswith("readme")):
        text = tree.read(name).decode("utf-8", "replace")
        if match := re.search(r"^\W*licen[cs]e\W*:\W*(\w.*)$", text, re.IGNORECASE | re.MULTILINE):
            return match[1].strip()
    for name in (name for name in tree.files if re.fullmatch(r"licen[cs]e(\.(txt|md))?", name, re.IGNORECASE)):
        lines = tree.read(name).decode("utf-8", "replace").split("\n")
        return next((line.strip(" #\r") for line in lines if line.strip(" #\r")), None)
    return None
