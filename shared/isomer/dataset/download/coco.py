"""COCO 2017 by class: the annotations' archive, and of its pictures one by one those that are asked for.

https://cocodataset.org/#download
"""

from __future__ import annotations

import json
import zipfile
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isomer import progress
from isomer.dataset import selecting
from isomer.dataset.download import hosts
from isomer.dataset.download.fetched import Fetched, Request, lay_out, not_fetched
from isomer.dataset.download.parallel import fetch_pictures
from isomer.dataset.download.taking import Taking, parts_of, quotas
from isomer.dataset.formats import coco
from isomer.dataset.source import Tree
from isomer.errors import UserError
from isomer.fetching.errors import FetchError, Problem
from isomer.fetching.fetcher import Fetcher
from isomer.fetching.published import Checksum

NAME = "COCO 2017"
LICENCE = "annotations CC BY 4.0 (COCO Consortium), that of each picture in attribution"
PARTS = ("train", "validation")
WORDS = {"train": "train", "validation": "val"}


@dataclass
class Asked:
    """What is to be fetched, by the pictures' paths: addresses, numbers of boxes, attribution; and their classes."""

    addresses: dict[str, str] = field(default_factory=dict)
    boxes: Counter[str] = field(default_factory=Counter)
    attribution: dict[str, dict[str, str]] = field(default_factory=dict)
    labels: set[str] = field(default_factory=set)


def fetch(fetcher: Fetcher, request: Request, folder: Path) -> Fetched:
    """Fetch what was asked for and lay it out in `folder`.

    Raises:
        UserError: --classes or --split name what there is not, or nothing was found; FetchError: the annotations cannot
            be had.
    """
    parts, shares = parts_of(request.split, PARTS)
    wanted = selecting.parse_classes(request.classes or selecting.ALL_OTHERS)
    url = hosts.COCO_ANNOTATIONS
    archive = fetcher.fetch(url, Checksum("md5", hosts.COCO_ANNOTATIONS_MD5))
    left = dict(quotas(request.limit, parts))
    asked = Asked()
    for part in reversed(parts):
        count = _add(asked, part, choose(_instances(archive, part, url, fetcher), wanted, left[part]), folder)
        if request.limit and part != parts[0]:
            left[parts[0]] += left[part] - count
    if not asked.addresses:
        raise UserError(f"no picture of {', '.join(parts)} has a box of {request.classes}")
    found = fetch_pictures(fetcher, asked.addresses, request.jobs)
    lay_out(folder, found)
    reading = coco.read(Tree(folder))
    reading.pictures = [item for item in reading.pictures if f"{item.split}2017/{item.names[0]}" in found.places]
    reading.left_out += not_fetched(found, asked.boxes)
    reading.licence = LICENCE
    classes = selecting.only(request.classes, asked.labels) if request.classes else None
    return Fetched(folder, NAME, (url,), coco.NAME, reading, shares, classes, attribution=asked.attribution)


def choose(value: dict[str, Any], wanted: selecting.Classes, most: int | None) -> dict[str, Any]:
    """What of an annotation file is about at most so many pictures with boxes of these classes.

    Raises:
        UserError: --classes names one that is not there.
    """
    names = {item["id"]: item["name"] for item in value["categories"]}
    selecting.check_classes(wanted, names.values())
    keys = {key for key, name in names.items() if wanted.name_of(name)}
    notes = defaultdict(list)
    for item in value["annotations"]:
        if item["category_id"] in keys:
            notes[item["image_id"]].append(item)
    taking = Taking(keys, most)
    for key in sorted(notes):
        taking.offer(key, {item["category_id"] for item in notes[key]})
    taken = set(taking.close())
    return {
        "licenses": value.get("licenses", []),
        "images": [item for item in value["images"] if item["id"] in taken],
        "annotations": [item for key in sorted(taken) for item in notes[key]],
        "categories": [item for item in value["categories"] if item["id"] in keys],
    }


def read_attribution(value: dict[str, Any]) -> dict[int, dict[str, str]]:
    """Licence and origin of pictures, by their ids."""
    licences = {item["id"]: item for item in value["licenses"]}
    found = {}
    for item in value["images"]:
        licence = licences.get(item.get("license"), {})
        credit = {
            "licence": licence.get("url"),
            "licence_name": licence.get("name"),
            "url": item.get("flickr_url"),
        }
        found[item["id"]] = {key: text for key, text in credit.items() if text}
    return found


def _add(asked: Asked, part: str, value: dict[str, Any], folder: Path) -> int:
    """Write what is taken of one split, as COCO has it, and note what it asks for; returns the number of pictures."""
    word = WORDS[part]
    progress.say(f"{part}: {len(value['images'])} pictures with {len(value['annotations'])} boxes taken")
    path = folder / f"annotations/instances_{word}2017.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value))
    names = {item["id"]: f"{word}2017/{item['file_name']}" for item in value["images"]}
    for item in value["images"]:
        asked.addresses[names[item["id"]]] = hosts.COCO_PICTURE.format(part=word, file_name=item["file_name"])
    asked.boxes.update(names[item["image_id"]] for item in value["annotations"])
    asked.attribution |= {names[key]: credit for key, credit in read_attribution(value).items()}
    used = {item["category_id"] for item in value["annotations"]}
    asked.labels |= {item["name"] for item in value["categories"] if item["id"] in used}
    return len(names)


def _instances(archive: Path, part: str, url: str, fetcher: Fetcher) -> dict[str, Any]:
    """One split's annotation file, without outlines, which would fill the memory."""
    progress.say(f"{part}: read the annotations")
    try:
        with zipfile.ZipFile(archive) as members, members.open(f"annotations/instances_{WORDS[part]}2017.json") as file:
            return json.load(file, object_hook=_lightened)
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        problem = Problem(f"is no archive of COCO's annotations ({error})", "other file")
        raise FetchError(url, fetcher.place(url), problem) from None


def _lightened(item: dict[str, Any]) -> dict[str, Any]:
    if "bbox" in item:
        item.pop("segmentation", None)
    return item
