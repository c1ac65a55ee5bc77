"""Protobuf's wire format, as far as telling one message from another needs it. Reads tags, and skips what is behind."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5


class BrokenMessage(ValueError):
    """Not a protobuf message, or not a whole one."""


@dataclass(frozen=True)
class Field:
    """One field of a message: a varint's value, or where its bytes begin and end in the buffer."""

    number: int
    kind: int
    value: int
    start: int
    end: int


def mapped(path: Path) -> mmap.mmap:
    """A file's bytes without reading them."""
    with path.open("rb") as stream:
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)


def fields(data: mmap.mmap | bytes, start: int = 0, end: int | None = None) -> Iterator[Field]:
    """The fields of a message, without looking into them.

    Raises:
        BrokenMessage: at the first byte that cannot be.
    """
    end = len(data) if end is None else end
    position = start
    while position < end:
        tag, position = _varint(data, position, end)
        number, kind = tag >> 3, tag & 7
        if not number:
            raise BrokenMessage("a field without a number")
        value, begin = 0, position
        if kind == VARINT:
            value, position = _varint(data, position, end)
        elif kind == LENGTH:
            length, begin = _varint(data, position, end)
            position = begin + length
        elif kind in (FIXED64, FIXED32):
            position += 8 if kind == FIXED64 else 4
        else:
            raise BrokenMessage(f"a field of the unknown kind {kind}")
        if position > end:
            raise BrokenMessage(f"it ends after {end - start:,} bytes where {position - start:,} are announced")
        yield Field(number, kind, value, begin, position)


def _varint(data: mmap.mmap | bytes, position: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while position < end and shift < 70:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise BrokenMessage("it ends within a number")
