"""TFRecord as the TensorFlow Object Detection API and Model Garden read it: SPLIT-00000-of-00001.tfrecord and so on,
and label_map.pbtxt with ids from 1.

A record is its length and the length's checksum, then a tf.train.Example and its checksum (masked CRC-32C):
https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details. An Example is a protocol buffer of a
single map from names to lists, written here field by field, so that this image needs no TensorFlow.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import google_crc32c

from isomer import files
from isomer.dataset.canonical import Picture, Split
from isomer.dataset.exports.layout import Put, corners

NAME = "tfrecord"
WRITES = "SPLIT-NNNNN-of-NNNNN.tfrecord with the pictures inside, label_map.pbtxt"
KEEPS_CROWDS = True
SHARD_BYTES = 128_000_000  # of pictures: TensorFlow's guide advises 100 MB and more
FORMATS = {".png": b"png", ".jpg": b"jpeg", ".jpeg": b"jpeg"}
MASK = 0xA282EAD8

Value = bytes | int | float
LENGTH_DELIMITED = 2  # protocol buffers' wire type


def write(splits: Sequence[Split], folder: Path, put: Put) -> None:
    for split in splits:
        shards = _shards(split)
        for number, pictures in enumerate(shards):
            path = folder / f"{split.name}-{number:05d}-of-{len(shards):05d}.tfrecord"
            with path.open("wb") as stream:
                for picture in pictures:
                    stream.write(record(example(features(split, picture))))
    files.write_text(folder / "label_map.pbtxt", label_map(splits[0].classes))


def features(split: Split, picture: Picture) -> dict[str, list[Value]]:
    """What the API's own converters write of a picture and its boxes."""
    data = split.path(picture).read_bytes()
    boxes = picture.boxes
    edges = [corners(box) for box in boxes]
    return {
        "image/height": [picture.height],
        "image/width": [picture.width],
        "image/filename": [picture.file_name.encode()],
        "image/source_id": [str(picture.id).encode()],
        "image/key/sha256": [hashlib.sha256(data).hexdigest().encode()],
        "image/encoded": [data],
        "image/format": [FORMATS[Path(picture.file_name).suffix.lower()]],
        "image/object/bbox/xmin": [xmin / picture.width for xmin, _, _, _ in edges],
        "image/object/bbox/ymin": [ymin / picture.height for _, ymin, _, _ in edges],
        "image/object/bbox/xmax": [min(xmax / picture.width, 1.0) for _, _, xmax, _ in edges],
        "image/object/bbox/ymax": [min(ymax / picture.height, 1.0) for _, _, _, ymax in edges],
        "image/object/class/text": [split.classes[box.category - 1].encode() for box in boxes],
        "image/object/class/label": [box.category for box in boxes],
        "image/object/is_crowd": [int(box.crowd) for box in boxes],
        "image/object/area": [float(box.width * box.height) for box in boxes],
    }


def record(data: bytes) -> bytes:
    """A TFRecord of these bytes."""
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked_crc(length)) + data + struct.pack("<I", masked_crc(data))


def masked_crc(data: bytes) -> int:
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + MASK) & 0xFFFFFFFF


def example(values: dict[str, list[Value]]) -> bytes:
    """A tf.train.Example; a key whose list is empty has an empty feature."""
    entries = (_field(1, _field(1, key.encode()) + _field(2, _feature(items))) for key, items in values.items())
    return _field(1, b"".join(entries))


def label_map(classes: Iterable[str]) -> str:
    """A StringIntLabelMap in text form."""
    items = []
    for number, name in enumerate(classes, start=1):
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        items.append(f'item {{\n  id: {number}\n  name: "{quoted}"\n}}\n')
    return "\n".join(items)


def _feature(items: list[Value]) -> bytes:
    """A tf.train.Feature: bytes_list is field 1, float_list 2, int64_list 3; each list's values are its field 1."""
    if not items:
        return b""
    if isinstance(items[0], bytes):
        return _field(1, b"".join(_field(1, item) for item in items))
    if isinstance(items[0], float):
        return _field(2, _field(1, struct.pack(f"<{len(items)}f", *items)))
    return _field(3, _field(1, b"".join(map(_varint, items))))


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | LENGTH_DELIMITED) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    """A number that is not negative, seven bits a byte, the lowest first."""
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def _shards(split: Split) -> list[list[Picture]]:
    """The pictures in shards of about SHARD_BYTES."""
    shards: list[list[Picture]] = [[]]
    size = 0
    for picture in split.pictures:
        if size >= SHARD_BYTES:
            shards.append([])
            size = 0
        shards[-1].append(picture)
        size += split.path(picture).stat().st_size
    return shards
