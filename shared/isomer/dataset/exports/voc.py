"""Pascal VOC: JPEGImages/, an XML a picture in Annotations/, and the splits' lists in ImageSets/Main/.

Coordinates are whole pixels, since many readers take no others: an edge moves by half a pixel at most. Where that
would leave a box without area, its coordinates keep their fractions.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import SubElement

from isomer import files
from isomer.dataset.canonical import Box, Picture, Split
from isomer.dataset.exports.layout import Put, corners, folder_for, stems, suffix

NAME = "voc"
WRITES = "JPEGImages/, Annotations/ with an XML a picture, ImageSets/Main/SPLIT.txt"
KEEPS_CROWDS = False
KEYS = ("xmin", "ymin", "xmax", "ymax")


def write(splits: Sequence[Split], folder: Path, put: Put) -> None:
    pictures, annotations = folder_for(folder, "JPEGImages"), folder_for(folder, "Annotations")
    # a space would end the name in a list
    names = stems((picture for split in splits for picture in split.pictures), space="_")
    lists: dict[str, list[str]] = {}
    for split in splits:
        for picture in split.pictures:
            stem = names[picture.file_name]
            put(split.path(picture), pictures / f"{stem}{suffix(picture)}")
            (annotations / f"{stem}.xml").write_bytes(content(picture, f"{stem}{suffix(picture)}", split.classes))
        lists[split.name] = [names[picture.file_name] for picture in split.pictures]
    lists["trainval"] = sorted(lists.get("train", []) + lists.get("val", []))
    for name, listed in lists.items():
        files.write_text(folder / "ImageSets" / "Main" / f"{name}.txt", "".join(f"{stem}\n" for stem in listed))


def content(picture: Picture, file_name: str, classes: Sequence[str]) -> bytes:
    """The XML of one picture."""
    root = ElementTree.Element("annotation")
    SubElement(root, "folder").text = "JPEGImages"
    SubElement(root, "filename").text = file_name
    size = SubElement(root, "size")
    for key, value in (("width", picture.width), ("height", picture.height), ("depth", 3)):
        SubElement(size, key).text = str(value)
    SubElement(root, "segmented").text = "0"
    for box in picture.boxes:
        item = SubElement(root, "object")
        for key, value in (("name", classes[box.category - 1]), ("pose", "Unspecified"), ("truncated", "0")):
            SubElement(item, key).text = value
        SubElement(item, "difficult").text = "0"
        edges = SubElement(item, "bndbox")
        for key, value in zip(KEYS, whole_pixels(box), strict=True):
            SubElement(edges, key).text = f"{value:.8g}"
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8") + b"\n"


def whole_pixels(box: Box) -> tuple[float, ...]:
    """The corners in whole pixels, as long as the box keeps an area."""
    exact = corners(box)
    rounded = tuple(float(round(value)) for value in exact)
    return rounded if rounded[2] > rounded[0] and rounded[3] > rounded[1] else exact
