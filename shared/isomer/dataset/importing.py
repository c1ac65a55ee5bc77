"""Labelled pictures in any known format become a canonical dataset, and nothing is lost in silence.

A format module reads the annotations; each finds its picture; headers tell sizes and orientation; boxes go into the
upright picture's frame and are clipped to it; pictures are stored; the splits are settled; all is written at once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TypeVar

from isomer import files, progress
from isomer.dataset import boxes, canonical, formats, pictures, splits
from isomer.dataset.account import Account
from isomer.dataset.boxes import BoxError, Frame
from isomer.dataset.canonical import Box, Dataset, Picture
from isomer.dataset.formats import Detected, folder
from isomer.dataset.pictures import Header, PictureError, PictureSource
from isomer.dataset.source import LeftOut, Reading, SourceBox, SourcePicture, Tree, split_of
from isomer.errors import UserError

T = TypeVar("T")
U = TypeVar("U")


@dataclass
class Found:
    """A picture file of the source, what annotations say of it, and what becomes of it; `path` is relative."""

    path: str
    annotations: list[SourcePicture] = field(default_factory=list)
    header: Header | None = None
    boxes: list[SourceBox] = field(default_factory=list)
    file_name: str = ""

    def picture(self, tree: Tree) -> PictureSource:
        """Where the picture is: its file, or inside an annotation."""
        inside = next((item.embedded for item in self.annotations if item.embedded), None)
        return inside.load if inside and inside.name == self.path else tree.root / self.path

    @property
    def split(self) -> str | None:
        own = next((item.split for item in self.annotations if item.split), None)
        return own or split_of(self.path)

    @property
    def boxes_read(self) -> int:
        return sum(len(item.boxes) for item in self.annotations)


def import_folder(
    source: Path, target: Path, *, format_name: str | None, shares_text: str | None, seed: int, link: bool
) -> tuple[Dataset, Account]:
    """Import the folder `source` as the dataset folder `target`, replacing what is there when all is done.

    Args:
        format_name: as `--format`; None to detect it. shares_text: as `--split`; None for the source's own splits.

    Raises:
        UserError: nothing can be made of the source; `target` is then as it was.
    """
    shares = None if shares_text is None else splits.parse_shares(shares_text)
    tree = Tree(source)
    chosen, *others = formats.detect(tree, format_name)
    progress.say(f"format {chosen.format.NAME}: {chosen.evidence}")
    reading = chosen.reading
    account = Account(list(reading.left_out), notes=[*reading.notes, *map(_not_taken, others)])
    matched = _matched(tree, reading, others, account)
    declared = reading.splits | {item.split for item in matched if item.split}
    found = _inspected(tree, matched, account)
    _settle_boxes(found, account)
    with files.replacing_folder(target) as temporary:
        (temporary / canonical.IMAGES).mkdir()
        kept = _stored(tree, found, temporary / canonical.IMAGES, link, account)
        used = {box.label for item in kept for box in item.boxes}
        if not used and chosen.format is not folder:
            raise UserError(f"no box is left of {source}:\n{account.text()}")
        order = reading.labels or sorted(used)
        classes = tuple(label for label in order if label in used)
        account.unused = tuple(label for label in order if label not in used)
        labels = {item.path: [box.label for box in item.boxes] for item in kept}
        own = {item.path: item.split for item in kept if item.split}
        if shares is not None:
            division = splits.divide(labels, dict(zip(canonical.SPLITS, shares, strict=True)), seed)
            account.division = f"divided {shares_text} as --split says"
        elif chosen.format is folder:
            division, account.division = own, "test, but for pictures in another split's folder: nothing has a box"
        else:
            _refuse_empty(declared, own, account)
            division, account.division = splits.complete(own, labels, seed)
        canonical.write(
            temporary,
            classes,
            _canonical(kept, classes, division),
            {
                "name": target.name,
                "source": source.resolve().name,
                "format": chosen.format.NAME,
                "licence": reading.licence or _licence(tree),
                "options": {"split": shares_text, "seed": seed},
                "import": account.to_json(),
            },
        )
    return canonical.load(target), account


def _not_taken(other: Detected) -> str:
    name = other.format.NAME
    return f"{name} was there too, with {other.count} ({other.evidence}), and not taken: --format {name} takes it"


def _matched(tree: Tree, reading: Reading, others: list[Detected], account: Account) -> list[Found]:
    """The picture files that belong to the source: those annotated, and those beside them as negatives.

    What only an annotation in one of the `others` speaks of is no negative.
    """
    elsewhere = {path: (other.format.NAME, count) for other in others for path, count in other.boxes.items()}
    found: dict[str, Found] = {}
    for item in reading.pictures:
        nearest = tree.find_picture(item)
        if len(nearest) != 1:
            reason = f"fits several pictures ({nearest[0]}, {nearest[1]})" if nearest else "without its picture"
            name = item.annotation if item.names[:1] == (PurePosixPath(item.annotation).stem,) else ""
            name = name or f"{item.annotation}: {item.names[0] if item.names else 'no file name'}"
            account.left_out.append(LeftOut("annotation", reason, name, len(item.boxes)))
            continue
        one = found.setdefault(nearest[0], Found(nearest[0]))
        if {other.split for other in one.annotations} - {item.split, None} and item.split:
            reason = f"of a picture that {one.annotations[0].annotation} has in another split"
            account.left_out.append(LeftOut("annotation", reason, f"{item.annotation}: {one.path}", len(item.boxes)))
            continue
        one.annotations.append(item)
    folders = {PurePosixPath(path).parent for path in found}
    for path in tree.pictures:
        if path in found:
            continue
        if PurePosixPath(path).parent not in folders:
            account.elsewhere += 1
        elif path in elsewhere:
            name, count = elsewhere[path]
            account.left_out.append(LeftOut("picture", f"that only {name} has boxes for", path, count))
        elif reading.listed:
            account.left_out.append(LeftOut("picture", "in no list of the source", path))
        else:
            found[path] = Found(path)
    account.pictures_read = len(found) + sum(item.what == "picture" for item in account.left_out)
    account.boxes_read = sum(item.boxes_read for item in found.values())
    account.boxes_read += sum(item.boxes for item in account.left_out)
    return [found[path] for path in sorted(found)]


def _inspected(tree: Tree, found: list[Found], account: Account) -> list[Found]:
    """The pictures whose headers can be read, with these."""
    kept = []
    headers = _in_threads(lambda item: pictures.inspect(item.picture(tree)), found, "look at pictures")
    for item, header in zip(found, headers, strict=True):
        if isinstance(header, PictureError):
            account.left_out.append(LeftOut("picture", str(header), item.path, item.boxes_read))
        else:
            item.header = header
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
        return pictures.store(item.picture(tree), item.header, images / item.file_name, link=link)

    for item, linked in zip(found, _in_threads(store, found, "take pictures"), strict=True):
        if isinstance(linked, PictureError):
            account.left_out.append(LeftOut("picture", str(linked), item.path, item.boxes_read))
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
    for stem in (place.stem, long, *(f"{long}_{number}" for number in range(2, len(taken) + 3))):
        name = stem + suffix
        # some file systems take names for equal that differ in case
        if name.casefold() not in taken:
            break
    taken.add(name.casefold())
    return name


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
