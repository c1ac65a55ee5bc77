"""Labelled pictures in any known format become a canonical dataset, and nothing is lost in silence.

A format module reads the annotations; each finds its picture; headers tell sizes and orientation; boxes go into the
upright picture's frame and are clipped to it; pictures are stored; the splits are settled; all is written at once.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from isomer import files, progress
from isomer.dataset import (
    archives,
    boxes,
    canonical,
    dividing,
    documents,
    formats,
    looking,
    matching,
    selecting,
    splits,
    storing,
)
from isomer.dataset.account import Account
from isomer.dataset.boxes import BoxError, Frame
from isomer.dataset.canonical import Box, Dataset, Picture
from isomer.dataset.formats import Detected, folder
from isomer.dataset.matching import Found
from isomer.dataset.source import LeftOut, Reading, SourceBox, SourcePicture, Tree
from isomer.errors import UserError


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
    attribution: Mapping[str, dict[str, str]] | None = None,
    about: Mapping[str, Any] | None = None,
) -> tuple[Dataset, Account]:
    """Import a folder, an archive or an annotation file as the dataset folder `target`, replacing what is there.

    Args:
        format_name: as `--format`; None to detect it.
        shares_text: as `--split`; None for the source's own splits.
        classes_text: as `--classes`.
        min_area: as `--min-area`.
        limit: as `--limit`.
        reading: what to take for what the source's annotations say, mended say.
        attribution: licence and author of pictures, by their paths in the source.
        about: what dataset.json is to say of the source beside, or instead of, what is found in it.

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
        found = _with_boxes(found, account)
        found = selecting.select(found, wanted, min_area, account)
        (temporary / canonical.IMAGES).mkdir()
        unpacked = tree.root.is_relative_to(temporary)
        kept = storing.store_all(tree, found, temporary / canonical.IMAGES, link or unpacked, account)
        used = {box.label for item in kept for box in item.boxes}
        if not used and chosen.format is not folder:
            raise UserError(f"no box is left of {source}:\n{account.text()}")
        order = wanted.in_order(labels) if wanted else labels
        classes = tuple(label for label in order if label in used)
        account.unused = tuple(label for label in order if label not in used)
        account.linked = account.linked if link else 0
        division = dividing.divided(kept, shares, declared, seed, account, divide=chosen.format is not folder)
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
                **({"attribution": _by_file_name(kept, attribution)} if attribution else {}),
                **(about or {}),
            },
            {item.file_name: item.sha256 for item in kept},
        )
        shutil.rmtree(temporary / "unpacked", ignore_errors=True)
    return canonical.load(target), account


def _by_file_name(kept: list[Found], attribution: Mapping[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    return dict(sorted((item.file_name, attribution[item.path]) for item in kept if item.path in attribution))


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


def _with_boxes(found: list[Found], account: Account) -> list[Found]:
    """The pictures whose boxes can be placed, with these in the upright picture's pixels."""
    kept = []
    frames = [boxes.frame_of(item.header, note.size) for item in found for note in item.annotations]
    usual = boxes.majority(frames)
    for item in found:
        before = len(account.left_out)
        try:
            placed = [box for note in item.annotations for box in _placed(item, note, usual, account)]
        except BoxError as error:
            # what was said of single boxes is part of the whole
            del account.left_out[before:]
            account.left_out.append(LeftOut("picture", str(error), item.path, item.boxes_read))
            continue
        kept.append(item)
        item.boxes = list(dict.fromkeys(placed)) if len(item.annotations) > 1 else placed
        if repeated := len(placed) - len(item.boxes):
            account.left_out.append(LeftOut("box", "repeated by another annotation", item.path, repeated))
    return kept


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


def _canonical(kept: list[Found], classes: tuple[str, ...], division: dict[str, str]) -> dict[str, tuple]:
    numbers = {label: number for number, label in enumerate(classes, start=1)}
    made: dict[str, list[Picture]] = {split: [] for split in canonical.SPLITS}
    for item in kept:
        width, height = item.header.upright_size
        own = tuple(Box(numbers[box.label], box.x, box.y, box.width, box.height, box.crowd) for box in item.boxes)
        made[division[item.path]].append(Picture(0, item.file_name, width, height, own))
    return {split: tuple(found) for split, found in made.items()}


def _licence(tree: Tree) -> str | None:
    """What a README says of the licence in a line of its own, else the first line of a LICENSE file."""
    tops = {name.partition("/")[0] for name in tree.files}
    # what was downloaded often has one folder around all
    top = f"{tops.pop()}/" if len(tops) == 1 else ""
    outer = {name.removeprefix(top): name for name in tree.files if "/" not in name.removeprefix(top)}
    for name in (name for short, name in outer.items() if short.lower().startswith("readme")):
        text = tree.read(name).decode("utf-8", "replace")
        if match := re.search(r"^\W*licen[cs]e\W*:\W*(\w.*)$", text, re.IGNORECASE | re.MULTILINE):
            return match[1].strip()
    for name in (name for short, name in outer.items() if re.fullmatch(r"licen[cs]e(\.\w+)?", short, re.IGNORECASE)):
        lines = tree.read(name).decode("utf-8", "replace").split("\n")
        return next((line.strip(" #\r") for line in lines if line.strip(" #\r")), None)
    return None
