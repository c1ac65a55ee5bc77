"""Checks of annotations: what the format module could not use, and what annotations say of pictures and their sizes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from isomer.dataset.checks.findings import NOTE, Finding
from isomer.dataset.checks.subject import Entry, Subject
from isomer.dataset.source import LeftOut

# What format modules say of what they leave out, the first that fits; else it goes by what was left out.
REASONS = (
    (r"no name|has no class|without a class name|unknown class|class id", "class-unnamed"),
    (r'not in "images"', "image-not-listed"),
    (r"pictures that are not here", "image-missing"),
    (r"whose id another|id .* twice|repeated id", "id-repeated"),
    (r"not finite", "box-not-finite"),
    (r"no area", "box-no-area"),
    (r"in no list", "annotation-not-listed"),
)
KINDS = {
    "file": "record-unusable",
    "annotation": "annotation-unreadable",
    "box": "record-unusable",
    "picture": "record-unusable",
}
LINE = re.compile(r"\bline (\d+)")


def check(subject: Subject) -> Iterator[Finding]:
    yield from (Finding("formats-several", "", other) for other in subject.others)
    for item in subject.reading.left_out:
        yield _left_out(item)
    for path, entries in subject.by_path.items():
        if len({entry.split for entry in entries if entry.split}) > 1:
            where = ", ".join(f"{entry.split} in {entry.note.annotation}" for entry in entries)
            yield Finding("split-contradiction", path, where)
        elif len(entries) > 1:
            yield Finding("annotated-twice", path, ", ".join(dict.fromkeys(e.note.annotation for e in entries)))
    for entry in subject.entries:
        yield from _picture_of(entry)
        yield from _size_of(subject, entry)


def _left_out(item: LeftOut) -> Finding:
    code = next((code for pattern, code in REASONS if re.search(pattern, item.reason)), KINDS[item.what])
    # "FILE, annotation 5" and "FILE:5"
    file, _, record = item.name.partition(", ")
    file, _, number = file.rpartition(":") if re.search(r":\d+$", file) else (file, "", "")
    told = number or (match[1] if (match := LINE.search(f"{record} {item.reason}")) else "")
    on_purpose = "on purpose" in item.reason or "ignore" in item.reason
    line = int(told) if told else None
    record = "" if LINE.fullmatch(record) else record
    return Finding(code, file, item.reason, record, line, severity=NOTE if on_purpose else "")


def _picture_of(entry: Entry) -> Iterator[Finding]:
    if entry.path:
        return
    code, value = ("image-ambiguous", ", ".join(entry.paths)) if entry.paths else ("image-missing", "")
    yield Finding(code, entry.note.annotation, value, entry.place)


def _size_of(subject: Subject, entry: Entry) -> Iterator[Finding]:
    look = subject.looks.get(entry.path or "")
    if look is None or look.header is None:
        return
    if entry.note.size is None:
        if subject.gives_sizes:
            yield Finding("size-missing", entry.note.annotation, "", entry.place)
        return
    # boxes and sizes may speak of the picture as stored or as shown
    if entry.note.size not in (look.header.stored_size, look.header.upright_size):
        said, real = (f"{width}x{height}" for width, height in (entry.note.size, look.header.upright_size))
        yield Finding("size-differs", entry.note.annotation, f"{said}, the picture has {real}", entry.place)
