"""Open Images V7 by class: the lists of boxes and pictures are read as they come, the pictures one by one.

The boxes of train are 2 GB of rows in the order of the pictures' names, which are random: what a limit asks for stands
near the beginning, and the rest is not fetched. https://storage.googleapis.com/openimages/web/factsfigures_v7.html
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isomer import progress
from isomer.dataset import selecting
from isomer.dataset.documents import decoded
from isomer.dataset.download import hosts
from isomer.dataset.download.fetched import Fetched, Request, lay_out, not_fetched
from isomer.dataset.download.parallel import fetch_pictures
from isomer.dataset.download.taking import Taking, parts_of, quotas
from isomer.dataset.formats import openimages
from isomer.dataset.source import Tree, some
from isomer.errors import UserError
from isomer.fetching.errors import FetchError, Problem
from isomer.fetching.fetcher import Fetcher

NAME = "Open Images V7"
LICENCE = "annotations CC BY 4.0 (Google), that of each picture in attribution"
PARTS = ("train", "validation", "test")
ATTRIBUTION = {
    "licence": "License",
    "author": "Author",
    "author_url": "AuthorProfileURL",
    "title": "Title",
    "page": "OriginalLandingURL",
    "url": "OriginalURL",
}
Lines = Iterable[str]


@dataclass
class Chosen:
    """The rows of the pictures that are taken; read: rows that were looked at."""

    header: str = ""
    rows: dict[str, list[str]] = field(default_factory=dict)
    read: int = 0


def fetch(fetcher: Fetcher, request: Request, folder: Path) -> Fetched:
    """Fetch what was asked for and lay it out in `folder`.

    Raises:
        UserError: --classes or --split name what there is not, or nothing was found; FetchError: a list cannot be had.
    """
    if request.classes is None:
        raise UserError("--source openimages needs --classes: all of it is 2 million pictures; try --classes Person")
    parts, shares = parts_of(request.split, PARTS)
    names = openimages.parse_descriptions(decoded(fetcher.fetch(hosts.OPEN_IMAGES_CLASSES).read_bytes()))
    wanted = selecting.parse_classes(request.classes)
    selecting.check_classes(wanted, names.values())
    codes = {code for code, name in names.items() if wanted.name_of(name)}
    chosen = _chosen(fetcher, parts, codes, request.limit)
    pictures = {f"{part}/{image}.jpg": (part, image) for part, found in chosen.items() for image in found.rows}
    if not pictures:
        raise UserError(f"no picture of {', '.join(parts)} has a box of {request.classes}")
    attribution = {
        f"{part}/{image}.jpg": credit
        for part, found in chosen.items()
        for image, credit in read_attribution(_list(fetcher, hosts.OPEN_IMAGES_LISTS[part]), set(found.rows)).items()
    }
    addresses = {
        name: hosts.OPEN_IMAGES_PICTURE.format(part=part, image=image) for name, (part, image) in pictures.items()
    }
    found = fetch_pictures(fetcher, addresses, request.jobs)
    lay_out(folder, found)
    _write(folder, chosen, names, found.places.keys())
    reading = openimages.read(Tree(folder))
    boxes = {name: len(chosen[part].rows[image]) for name, (part, image) in pictures.items()}
    reading.left_out += not_fetched(found, boxes)
    reading.licence = LICENCE
    reading.notes += _narrower(fetcher, names, codes)
    if without := len(pictures.keys() - attribution.keys()):
        reading.notes.append(f"{without} pictures are in no list of licences and authors")
    urls = [hosts.OPEN_IMAGES_CLASSES]
    for part in parts:
        urls += [hosts.OPEN_IMAGES_BOXES[part], hosts.OPEN_IMAGES_LISTS[part]]
    return Fetched(
        folder,
        NAME,
        tuple(urls),
        openimages.NAME,
        reading,
        shares,
        selecting.only(request.classes, reading.labels),
        attribution=attribution,
    )


def choose(lines: Lines, codes: set[str], most: int | None) -> Chosen:
    """The rows of these classes, of at most so many pictures.

    Where the pictures are in the order of their names, as in Open Images' own files, lines are read until there are
    enough. The rows of what is not taken are not kept.

    Raises:
        ValueError: these are no such lines.
    """
    source = iter(lines)
    found = Chosen(next(source, ""))
    columns = [word.strip() for word in found.header.split(",")]
    image_at, label_at = columns.index("ImageID"), columns.index("LabelName")
    cuts = max(image_at, label_at) + 1
    taking = Taking(codes, most)
    rows: dict[str, list[str]] = {}
    last, labels, ordered = "", set(), True
    for line in source:
        found.read += 1
        words = line.split(",", cuts)
        if len(words) < cuts:
            continue
        image = words[image_at]
        if image != last:
            if labels and not taking.offer(last, labels):
                rows.pop(last, None)
            if taking.is_full and ordered:
                labels = set()
                break
            ordered = ordered and image > last
            last, labels = image, set()
        if words[label_at] in codes:
            rows.setdefault(image, []).append(line)
            labels.add(words[label_at])
    if labels:
        taking.offer(last, labels)
    found.rows = {image: rows[image] for image in taking.close()}
    return found


def read_attribution(lines: Lines, images: set[str]) -> dict[str, dict[str, str]]:
    """Licence, author and origin of pictures, by their ids; lines are read until all are found.

    Raises:
        ValueError: these are no such lines.
    """
    rows = csv.reader(lines)
    header = next(rows, [])
    at = {key: header.index(column) for key, column in ATTRIBUTION.items()}
    id_at = header.index("ImageID")
    missing, found = set(images), {}
    for row in rows if missing else ():
        if len(row) > id_at and row[id_at] in missing:
            found[row[id_at]] = {key: row[place] for key, place in at.items() if place < len(row) and row[place]}
            missing.discard(row[id_at])
            if not missing:
                break
    return found


def narrower(hierarchy: dict[str, Any], code: str) -> set[str]:
    """The classes under a class, at any depth, in the form of Open Images' own tree."""
    below = hierarchy.get("Subcategory", [])
    if hierarchy.get("LabelName") != code:
        return set().union(*(narrower(child, code) for child in below))
    found = {child["LabelName"] for child in below}
    return found.union(*(narrower(child, child["LabelName"]) for child in below))


def _narrower(fetcher: Fetcher, names: dict[str, str], codes: set[str]) -> list[str]:
    """What is to be known of classes whose kinds are labelled as classes of their own."""
    try:
        hierarchy = json.loads(fetcher.fetch(hosts.OPEN_IMAGES_HIERARCHY).read_bytes())
        kinds = {code: narrower(hierarchy, code) - codes for code in sorted(codes)}
    except (FetchError, ValueError, KeyError, AttributeError) as error:
        return [f"not known whether a class has kinds with labels of their own: {error}"]
    notes = []
    for code, found in kinds.items():
        labels = sorted(names.get(kind, kind) for kind in found)
        if labels:
            notes.append(
                f"{NAME} labels {some(labels)} apart from {names[code]}, and these are not taken: "
                f"{labels[0]}={names[code]} in --classes takes them as the same"
            )
    return notes


def _chosen(fetcher: Fetcher, parts: tuple[str, ...], codes: set[str], limit: int | None) -> dict[str, Chosen]:
    """The rows of each split; train makes up for what the others, which are small, do not have."""
    wanted = dict(quotas(limit, parts))
    chosen: dict[str, Chosen] = {}
    for part in reversed(parts):
        try:
            found = choose(fetcher.lines(hosts.OPEN_IMAGES_BOXES[part]), codes, wanted[part])
        except ValueError:
            raise _no_list(fetcher, hosts.OPEN_IMAGES_BOXES[part]) from None
        chosen[part] = found
        boxes = sum(map(len, found.rows.values()))
        progress.say(f"{part}: {len(found.rows)} pictures with {boxes} boxes taken from {found.read} boxes read")
        if limit and part != parts[0]:
            wanted[parts[0]] += wanted[part] - len(found.rows)
    return {part: chosen[part] for part in parts}


def _list(fetcher: Fetcher, url: str) -> Iterator[str]:
    try:
        yield from fetcher.lines(url)
    except ValueError:
        raise _no_list(fetcher, url) from None


def _no_list(fetcher: Fetcher, url: str) -> FetchError:
    return FetchError(url, fetcher.place(url), Problem("is no CSV of Open Images", "other file"))


def _write(folder: Path, chosen: dict[str, Chosen], names: dict[str, str], there: Iterable[str]) -> None:
    """The annotations of the pictures that are there, as Open Images has them."""
    there = set(there)
    with (folder / "class-descriptions.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(names.items())
    for part, found in chosen.items():
        rows = [row for image, lines in found.rows.items() if f"{part}/{image}.jpg" in there for row in lines]
        if rows:
            (folder / f"{part}-annotations-bbox.csv").write_text("\n".join([found.header, *rows, ""]))
