"""TFRecord files and the tf.train.Example messages in them, read without TensorFlow.

A record is a length (8 bytes, little-endian), the masked CRC-32C of these, the data, and its masked CRC-32C.
https://www.tensorflow.org/tutorials/load_data/tfrecord
An Example is a protocol buffer: a map from names to lists of bytes, floats or whole numbers. Only these few messages
are understood: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import google_crc32c
import numpy as np

HEADER = struct.Struct("<QI")
FOOTER = struct.Struct("<I")
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5  # wire types

Values = list[bytes] | list[float] | list[int]


class RecordError(ValueError):
    """A file, or one of its records, that is none; the message is the reason."""


@dataclass(frozen=True)
class Record:
    """One record of a file: where its data begins and how long it is, in bytes."""

    offset: int
    data: memoryview


def records(path: Path) -> Iterator[Record]:
    """The records of a file, each with its checksums verified.

    Raises:
        RecordError: the file ends within a record, or a checksum is wrong; the records before it were given.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        position = 0
        while position < size:
            head = stream.read(HEADER.size)
            if len(head) < HEADER.size:
                raise RecordError(f"ends within the header of a record, at byte {position}")
            length, check = HEADER.unpack(head)
            if masked_crc32c(head[:8]) != check:
                raise RecordError(f"has a wrong checksum of a length, at byte {position}")
            offset = position + HEADER.size
            if offset + length + FOOTER.size > size:
                raise RecordError(f"ends within a record of {length} bytes, at byte {position}")
            data = stream.read(length)
            if masked_crc32c(data) != FOOTER.unpack(stream.read(FOOTER.size))[0]:
                raise RecordError(f"has a wrong checksum of a record, at byte {position}")
            yield Record(offset, memoryview(data))
            position = offset + length + FOOTER.size


def is_record_file(head: bytes) -> bool:
    """Whether the first bytes of a file are those of a record."""
    return len(head) >= HEADER.size and masked_crc32c(head[:8]) == HEADER.unpack_from(head)[1]


def masked_crc32c(data: bytes) -> int:
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def example(data: memoryview) -> dict[str, Values]:
    """The features of a tf.train.Example.

    Raises:
        RecordError: the bytes are no Example.
    """
    try:
        return dict(
            _feature(entry)
            for number, features in _fields(data)
            if number == 1
            for number, entry in _fields(features)
            if number == 1
        )
    except (IndexError, KeyError, ValueError, struct.error) as error:
        raise RecordError(f"is no tf.train.Example ({error})") from None


def _feature(entry: memoryview) -> tuple[str, Values]:
    """One entry of the map: field 1 is its name, field 2 the Feature, whose field says of which kind its list is."""
    parts = dict(_fields(entry))
    values: Values = []
    for kind, content in _fields(parts.get(2, memoryview(b""))):
        for number, item in _fields(content):
            if number != 1:
                continue
            if kind == 1:
                values.append(bytes(_checked(item)))
            elif kind == 2:
                packed = item if isinstance(item, memoryview) else struct.pack("<I", item)
                values += np.frombuffer(packed, "<f4").tolist()
            elif kind == 3:
                values += _varints(item) if isinstance(item, memoryview) else [_signed(item)]
    return bytes(parts[1]).decode(), values


def _checked(item: memoryview | int) -> memoryview:
    if not isinstance(item, memoryview):
        raise ValueError("a number where bytes belong")
    return item


def _fields(message: memoryview | int) -> Iterator[tuple[int, memoryview | int]]:
    """The fields of a message: their numbers, and their bytes or their number."""
    data, position = _checked(message), 0
    while position < len(data):
        key, position = _varint(data, position)
        kind = key & 7
        if kind == VARINT:
            value, position = _varint(data, position)
            yield key >> 3, value
            continue
        if kind == LENGTH:
            length, position = _varint(data, position)
        elif kind in (FIXED32, FIXED64):
            length = 4 if kind == FIXED32 else 8
        else:
            raise ValueError(f"a field of wire type {kind}")
        if position + length > len(data):
            raise ValueError("a field that goes on behind the end")
        content = data[position : position + length]
        yield key >> 3, content if kind == LENGTH else int.from_bytes(content, "little")
        position += length


def _varints(data: memoryview) -> list[int]:
    values, position = [], 0
    while position < len(data):
        value, position = _varint(data, position)
        values.append(_signed(value))
    return values


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    """A number of seven bits a byte, the low ones first, and the position behind it."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("a number of more than 64 bits")


def _signed(value: int) -> int:
    """Whole numbers are 64 bits in two's complement."""
    return value - (1 << 64) if value >= 1 << 63 else value
