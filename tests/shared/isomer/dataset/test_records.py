"""TFRecord files are read as TensorFlow writes them, and no damage goes unnoticed."""

import struct

import pytest

from isomer.dataset import records
from isomer.dataset.records import RecordError


def framed(*contents: bytes) -> bytes:
    made = b""
    for content in contents:
        length = struct.pack("<Q", len(content))
        made += length + struct.pack("<I", records.masked_crc32c(length))
        made += content + struct.pack("<I", records.masked_crc32c(content))
    return made


def test_the_checksum_is_that_of_the_specification():
    # RFC 3720, B.4: the CRC-32C of 32 zeros is 0x8A9136AA
    crc = 0x8A9136AA
    assert records.masked_crc32c(bytes(32)) == (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def test_records_and_their_places(tmp_path):
    data = framed(b"one", b"", b"three")
    (tmp_path / "a.record").write_bytes(data)
    found = list(records.records(tmp_path / "a.record"))
    assert [bytes(item.data) for item in found] == [b"one", b"", b"three"]
    assert data[found[2].offset :].startswith(b"three")
    assert records.is_record_file(data[:12])
    assert not records.is_record_file(b"Rar!\x1a\x07\x00 and more")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[:-22], "ends within a record of 5 bytes, at byte 19"),
        (lambda data: data[:25], "ends within the header of a record, at byte 19"),
        (lambda data: data[:19] + b"\x09" + data[20:], "wrong checksum of a length, at byte 19"),
        (lambda data: data.replace(b"three", b"there"), "wrong checksum of a record, at byte 19"),
    ],
)
def test_damage_is_named_and_what_is_before_it_is_given(tmp_path, damage, reason):
    (tmp_path / "a.record").write_bytes(damage(framed(b"one", b"three", b"more")))
    found = []
    with pytest.raises(RecordError, match=reason):
        found.extend(bytes(item.data) for item in records.records(tmp_path / "a.record"))
    assert found in ([b"one"], [])


def test_an_example_with_packed_and_plain_numbers():
    # features { feature { key: "f" value { float_list { value: [0.5, 2] } } } … }, by hand
    packed = bytes.fromhex("0a0166120c120a0a080000003f00000040")
    plain = bytes.fromhex("0a0167120712050d0000003f")
    numbers = bytes.fromhex("0a0169120f1a0d0a0b07ffffffffffffffffff01")
    text = bytes.fromhex("0a017412060a040a026f6b")
    entries = b"".join(b"\x0a" + bytes([len(item)]) + item for item in (packed, plain, numbers, text))
    data = b"\x0a" + bytes([len(entries)]) + entries
    assert records.example(memoryview(data)) == {"f": [0.5, 2.0], "g": [0.5], "i": [7, -1], "t": [b"ok"]}


@pytest.mark.parametrize("data", [b"\x0a\x7f", b"\xff" * 11, b"\x0b", b"\x0a\x04\x0a\x02\x0a\x09", b"\x08\x01"])
def test_other_bytes_are_no_example(data):
    with pytest.raises(RecordError, match=r"no tf\.train\.Example"):
        records.example(memoryview(data))
