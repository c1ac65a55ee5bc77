"""Pascal VOC: one XML file a picture. http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/

Coordinates are taken as they stand, x = xmin and width = xmax - xmin. VOC's own files count pixels from 1 and
include the last one, but what people have was written by LabelImg, CVAT, Roboflow and the like, which put edges
there (LabelImg only raises 0 to 1), and torchvision and TensorFlow's converters read it so. For VOC's own files a
box is then one pixel off at its upper left, which no metric notices.

`difficult` and `truncated` objects are objects like others, as in torchvision.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from xml.etree import ElementTree

from isomer.dataset import documents
from isomer.dataset.source import AnnotationError, LeftOut, Reading, SourceBox, SourcePicture, Tree, split_of

NAME = "voc"
ACCEPTS = "Pascal VOC, .xml files whose first element is <annotation>, beside the pictures or in a folder of their own"
LISTS = re.compile(r"(?:(?P<scope>.*)/)?ImageSets/(?:Main/)?(?P<split>train|val|test|trainval)\.txt")


@dataclass(frozen=True)
class Annotation:
    """What one XML file says; `broken` are the reasons of objects that cannot be used."""

    file_name: str
    size: tuple[int, int] | None
    boxes: tuple[SourceBox, ...]
    broken: tuple[str, ...]


def evidence(tree: Tree) -> str | None:
    names = tree.with_suffix(".xml")
    example = next((name for name in names if documents.root_tag(tree.head(name)) == "annotation"), None)
    return None if example is None else f"{len(names)} .xml files, {example} begins with <annotation>"


def read(tree: Tree) -> Reading:
    """Every annotation in the tree; splits from ImageSets if there are such lists, else from folders' names."""
    reading = Reading()
    lists = _lists(tree)
    reading.splits = {split for splits in lists.values() for split in splits} - {"trainval"}
    reading.listed = bool(lists)
    listed = {scope: _split_by_stem(splits) for scope, splits in lists.items()}
    used = set()
    for name in tree.with_suffix(".xml"):
        try:
            annotation = parse(tree.read(name))
        except AnnotationError as error:
            reading.left_out.append(LeftOut("annotation", str(error), name))
            continue
        place = PurePosixPath(name)
        above = [str(folder).removeprefix(".") for folder in place.parents]
        scope = next((folder for folder in above if folder in listed), None)
        split = split_of(name)
        if scope is not None:
            used.add((scope, place.stem))
            split = listed[scope].get(place.stem)
            if split is None:
                count = len(annotation.boxes) + len(annotation.broken)
                reading.left_out.append(LeftOut("annotation", "in no list of ImageSets", name, count))
                continue
        reading.left_out += [LeftOut("box", reason, name, 1) for reason in annotation.broken]
        # the annotation's own name goes first: <filename> is often what the picture was once called
        names = (place.stem, annotation.file_name) if annotation.file_name else (place.stem,)
        reading.pictures.append(SourcePicture(name, names, annotation.size, annotation.boxes, split))
    for scope, splits in listed.items():
        for stem, split in splits.items():
            if (scope, stem) not in used:
                place = f"{scope}/ImageSets/{stem}" if scope else f"ImageSets/{stem}"
                reading.pictures.append(SourcePicture(place, (stem,), None, (), split))
    return reading


def parse(data: bytes) -> Annotation:
    """One annotation file.

    Raises:
        AnnotationError: it is no XML, or not a VOC annotation.
    """
    root = documents.parse_xml(data)
    if root.tag != "annotation":
        raise AnnotationError(f"begins with <{root.tag}>, not with <annotation>")
    boxes, broken = [], []
    for item in root.iterfind("object"):
        try:
            boxes.append(_box(item))
        except AnnotationError as error:
            broken.append(str(error))
    file_name = (root.findtext("filename") or "").strip()
    return Annotation(file_name, _size(root), tuple(boxes), tuple(broken))


def parse_list(text: str) -> Iterator[str]:
    """Stems in one of ImageSets' lists; the class lists have a flag behind each, and -1 there means: not in it."""
    for line in text.splitlines():
        words = line.split()
        if words and words[-1:] != ["-1"]:
            yield PurePosixPath(words[0]).name


def _lists(tree: Tree) -> dict[str, dict[str, list[str]]]:
    """By the folder that holds ImageSets: the splits that have a list, and the annotation stems in each.

    `trainval` only says something where `train` and `val` do not. Lists that name no annotation at all are left-overs
    of a labelling tool and count for nothing.
    """
    found: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for name in tree.with_suffix(".txt"):
        if match := LISTS.fullmatch(name):
            text = tree.read(name).decode("utf-8-sig", "replace")
            found[match["scope"] or ""][match["split"]] = list(parse_list(text))
    stems = {PurePosixPath(name).stem for name in tree.with_suffix(".xml")}
    return {scope: lists for scope, lists in found.items() if any(stems & set(items) for items in lists.values())}


def _split_by_stem(lists: dict[str, list[str]]) -> dict[str, str]:
    """The split of each stem in one folder's lists."""
    splits: dict[str, str] = {}
    for split in ("test", "val", "train", "trainval"):
        for stem in lists.get(split, ()):
            splits.setdefault(stem, "train" if split == "trainval" else split)
    return splits


def _size(root: ElementTree.Element) -> tuple[int, int] | None:
    """Width and height; None where they are missing or zero, as some tools leave them."""
    try:
        width, height = (round(float(root.findtext(f"size/{key}") or 0)) for key in ("width", "height"))
    except (ValueError, OverflowError):
        return None
    return (width, height) if width > 0 and height > 0 else None


def _box(item: ElementTree.Element) -> SourceBox:
    label = (item.findtext("name") or "").strip()
    if not label:
        raise AnnotationError("without a class name")
    try:
        xmin, ymin, xmax, ymax = (
            float(item.findtext(f"bndbox/{key}") or "") for key in ("xmin", "ymin", "xmax", "ymax")
        )
    except ValueError:
        raise AnnotationError("without four numbers in <bndbox>") from None
    return SourceBox(label, xmin, ymin, xmax - xmin, ymax - ymin)
