"""TFRecord as the TensorFlow Object Detection API has it: pictures and boxes in tf.train.Examples.

Class names come from `image/object/class/text`, else by `image/object/class/label` from a label map
(`label_map.pbtxt`); with neither a class is called class_ID. Boxes are fractions. A file may be one shard of several.
https://github.com/tensorflow/models/blob/master/research/object_detection/g3doc/using_your_own_dataset.md
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from isomer.dataset import label_maps
from isomer.dataset.documents import decoded
from isomer.dataset.records import RecordError, Values, example, is_record_file, records
from isomer.dataset.source import Embedded, LeftOut, Reading, SourceBox, SourcePicture, Tree, split_of

NAME = "tfrecord"
ACCEPTS = "TFRecord, .record or .tfrecord files of the Object Detection API, with a label map (.pbtxt) if they need one"
FILE_NAME = re.compile(r".*(\.(tf_?)?records?(\.\w+)?|\.tfr|-\d+-of-\d+)", re.IGNORECASE)
ENCODED = "image/encoded"
BOX = "image/object/bbox/"


@dataclass(frozen=True)
class Parsed:
    """What one Example says. file_name: the picture's; broken: the reasons of boxes that cannot be used."""

    file_name: str
    size: tuple[int, int] | None
    boxes: tuple[SourceBox, ...]
    broken: tuple[str, ...]
    has_picture: bool


def evidence(tree: Tree) -> str | None:
    names = _files(tree)
    if not names:
        return None
    maps = tree.with_suffix(".pbtxt")
    return f"{len(names)} files of records, like {names[0]}; {f'label map {maps[0]}' if maps else 'no label map'}"


def read(tree: Tree) -> Reading:
    """Every record of every file. Pictures stay where they are until they are asked for."""
    reading = Reading()
    label_map = _label_map(tree)
    unnamed = False
    for name in _files(tree):
        path = tree.root / name
        split = split_of(name, whole_name=True)
        count = 0
        try:
            for count, record in enumerate(records(path), start=1):
                where = f"{name}, record {count}"
                try:
                    found = parse(example(record.data), label_map)
                except RecordError as error:
                    reading.left_out.append(LeftOut("annotation", str(error), where))
                    continue
                reading.left_out += [LeftOut("box", reason, where, 1) for reason in found.broken]
                if not found.has_picture:
                    boxes = len(found.boxes)
                    reading.left_out.append(LeftOut("annotation", f"without {ENCODED}", where, boxes))
                    continue
                unnamed = unnamed or any(box.label.startswith("class_") for box in found.boxes)
                place = f"{name}/{count}/{PurePosixPath(found.file_name).name or f'{PurePosixPath(name).stem}_{count}'}"
                load = functools.partial(encoded_picture, path, record.offset, len(record.data))
                picture = SourcePicture(name, (), found.size, found.boxes, split, True, Embedded(place, load))
                reading.pictures.append(picture)
        except RecordError as error:
            reading.left_out.append(LeftOut("annotation", f"{error}; what is behind it is lost", name))
    if unnamed and not label_map:
        reading.notes.append("no label map and no class names in the records: classes are called class_ID")
    reading.splits = {item.split for item in reading.pictures if item.split}
    reading.labels = tuple(dict.fromkeys(label for _, label in sorted(label_map.items())))
    return reading


def parse(features: dict[str, Values], label_map: dict[int, str]) -> Parsed:
    """One Example's picture and boxes, these in fractions."""
    corners = [features.get(BOX + key, []) for key in ("xmin", "ymin", "xmax", "ymax")]
    count = max(map(len, corners))
    texts = [_text(item) for item in features.get("image/object/class/text", [])]
    numbers = features.get("image/object/class/label", [])
    crowds = features.get("image/object/is_crowd", [])
    boxes, broken = [], []
    for index in range(count):
        text = texts[index] if index < len(texts) else ""
        number = numbers[index] if index < len(numbers) else None
        label = text or (label_map.get(number) if label_map else None if number is None else f"class_{number}")
        if any(index >= len(values) for values in corners):
            broken.append("without four numbers")
        elif not label:
            broken.append("without a class" if number is None else f"of class {number}, which has no name")
        else:
            xmin, ymin, xmax, ymax = (float(values[index]) for values in corners)
            crowd = index < len(crowds) and bool(crowds[index])
            boxes.append(SourceBox(label, xmin, ymin, xmax - xmin, ymax - ymin, crowd))
    size = tuple(next(iter(features.get(f"image/{key}", [])), 0) for key in ("width", "height"))
    size = size if all(isinstance(number, int) and number > 0 for number in size) else None
    file_name = next((_text(item) for item in features.get("image/filename", [])), "")
    return Parsed(file_name, size, tuple(boxes), tuple(broken), any(features.get(ENCODED, [])))


def encoded_picture(path: Path, offset: int, length: int) -> bytes:
    """The picture in the Example at a place of a file."""
    with path.open("rb") as stream:
        stream.seek(offset)
        return example(memoryview(stream.read(length)))[ENCODED][0]


def _files(tree: Tree) -> list[str]:
    named = (name for name in tree.files if FILE_NAME.fullmatch(name))
    return [name for name in named if is_record_file(tree.head(name, 12))]


def _label_map(tree: Tree) -> dict[int, str]:
    """All label maps as one: they are one a split, and the same."""
    found: dict[int, str] = {}
    for name in (*tree.with_suffix(".pbtxt"), *tree.with_suffix(".pbtxt.txt")):
        for number, label in label_maps.parse(decoded(tree.read(name))).items():
            found.setdefault(number, label)
    return found


def _text(item: object) -> str:
    return item.decode("utf-8", "replace").strip() if isinstance(item, bytes) else str(item)
