"""Examples of the Object Detection API become pictures with boxes, named by text, by a label map, or by number."""

import io
import struct

import pytest
from PIL import Image

from isomer.dataset import label_maps, records
from isomer.dataset.formats import tfrecord
from isomer.dataset.source import SourceBox

KEYS = ("xmin", "ymin", "xmax", "ymax")
CORNERS = dict(zip((f"image/object/bbox/{key}" for key in KEYS), ([0.25], [0.5], [0.75], [1.0]), strict=True))


def message(number: int, content: bytes) -> bytes:
    """A field with a length, whose bytes are content."""
    size, length = len(content), b""
    while size >= 0x80:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def feature(values: list) -> bytes:
    if all(isinstance(value, bytes) for value in values):
        return message(1, b"".join(message(1, value) for value in values))
    if all(isinstance(value, int) for value in values):
        return message(3, message(1, bytes(values)))
    return message(2, message(1, struct.pack(f"<{len(values)}f", *values)))


def example(features: dict[str, list]) -> bytes:
    entries = (message(1, key.encode()) + message(2, feature(values)) for key, values in features.items())
    return message(1, b"".join(message(1, entry) for entry in entries))


def record(content: bytes) -> bytes:
    length = struct.pack("<Q", len(content))
    checks = [struct.pack("<I", records.masked_crc32c(data)) for data in (length, content)]
    return length + checks[0] + content + checks[1]


def picture() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (64, 48)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("classes", "label_map", "expected"),
    [
        ({"image/object/class/text": [b"cat"]}, {}, "cat"),
        ({"image/object/class/label": [2]}, {2: "dog"}, "dog"),
        ({"image/object/class/text": [b"cat"], "image/object/class/label": [2]}, {2: "dog"}, "cat"),
        ({"image/object/class/label": [2]}, {}, "class_2"),
    ],
)
def test_class_names(classes, label_map, expected):
    found = tfrecord.parse({**CORNERS, **classes, "image/width": [64], "image/height": [48]}, label_map)
    assert found.boxes == (SourceBox(expected, 0.25, 0.5, 0.5, 0.5),)
    assert found.size == (64, 48)


@pytest.mark.parametrize(
    ("features", "reason"),
    [
        (CORNERS, "without a class"),
        ({**CORNERS, "image/object/class/label": [5]}, "of class 5, which has no name"),
        ({**CORNERS, "image/object/class/text": [b"cat"], "image/object/bbox/xmax": []}, "without four numbers"),
    ],
)
def test_boxes_that_cannot_be_used_are_named(features, reason):
    found = tfrecord.parse(features, {1: "cat"})
    assert (found.boxes, found.broken) == ((), (reason,))


@pytest.mark.parametrize(
    "text",
    [
        "item {\n  id: 1\n  name: 'cat'\n}\nitem {\n  id: 2\n  name: 'dog'\n}",
        'item { name: "cat", id: 1 }\n# item { id: 3 name: "x" }\nitem{id:2 name:"dog"}',
        'item { name: "/m/01" id: 1 display_name: "cat" } item: { name: "/m/02" id: 2 display_name: "dog" }',
    ],
)
def test_label_maps(text):
    assert label_maps.parse(text) == {1: "cat", 2: "dog"}


def test_shards_splits_and_pictures_of_equal_names(tree_of):
    one = record(example({**CORNERS, "image/encoded": [picture()], "image/filename": [b"a.png"],
                          "image/object/class/label": [1]}))  # fmt: skip
    files = {"train/cats.tfrecord": one + one, "val.record-00000-of-00001": one}
    files["train/cats_label_map.pbtxt"] = "item{id:1 name:'cat'}"
    tree = tree_of(files)
    reading = tfrecord.read(tree)
    assert [(item.annotation, item.split) for item in reading.pictures] == [
        ("train/cats.tfrecord", "train"),
        ("train/cats.tfrecord", "train"),
        ("val.record-00000-of-00001", "val"),
    ]
    assert len({tree.find_picture(item)[0] for item in reading.pictures}) == 3
    assert all(item.embedded.load() == picture() for item in reading.pictures)
    assert (reading.labels, reading.left_out) == (("cat",), [])
    assert "2 files of records" in tfrecord.evidence(tree)


def test_without_names_that_is_said_and_damage_is_named(tree_of):
    whole = record(example({**CORNERS, "image/encoded": [picture()], "image/object/class/label": [1]}))
    empty = record(example({**CORNERS, "image/object/class/label": [1]}))
    reading = tfrecord.read(tree_of({"a.record": whole + empty + record(b"\x0b") + whole[:-9]}))
    assert "class_ID" in reading.notes[0]
    assert len(reading.pictures) == 1
    assert [(item.name, item.boxes) for item in reading.left_out] == [
        ("a.record, record 2", 1),
        ("a.record, record 3", 0),
        ("a.record", 0),
    ]


def test_other_files_are_none(tree_of):
    assert tfrecord.evidence(tree_of({"a.record": b"something else entirely", "b.tfrecord": b""})) is None
