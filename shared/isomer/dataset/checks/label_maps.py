"""Checks of lists of classes as they stand in the source: COCO categories, label map pbtxt, YOLO's data.yaml."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from isomer.dataset import documents
from isomer.dataset.checks.findings import WARNING, Finding
from isomer.dataset.checks.subject import Subject

ITEM = re.compile(r"item\s*:?\s*\{(?P<body>[^{}]*)\}")
FIELD = re.compile(r"""\b(?P<key>id|name|display_name)\s*:\s*(?:(?P<number>-?\d+)|"(?P<a>[^"]*)"|'(?P<b>[^']*)')""")
YAML_COUNT = re.compile(r"^nc\s*:\s*(\d+)", re.MULTILINE)
YAML_INLINE = re.compile(r"^names\s*:\s*\[(.*?)\]", re.MULTILINE | re.DOTALL)
YAML_BLOCK = re.compile(r"^names\s*:\s*(?:#.*)?\n((?:[ \t]*(?:-|\d+\s*:).*\n?)+)", re.MULTILINE)


@dataclass(frozen=True)
class LabelMap:
    """Ids and names in the order of a file; lines: where each stands, None where lines do not tell."""

    file: str
    ids: list[int]
    names: list[str]
    lines: list[int | None]


def check(subject: Subject) -> Iterator[Finding]:
    tree = subject.tree
    for name in tree.with_suffix(".pbtxt"):
        found = parse_pbtxt(tree.read(name).decode("utf-8", "replace"), name)
        if not found.ids:
            yield Finding("label-map-unreadable", name, "no item with an id and a name")
        yield from of_map(found)
    for name, value in documents.json_files(tree).items() if subject.format == "coco" else ():
        found = _coco_map(value, name)
        # ids are only names in COCO: 0 and gaps are allowed, but lost or shifted by tools that count on
        yield from of_map(found, severity=WARNING) if found else ()
    for name in (*tree.with_suffix(".yaml"), *tree.with_suffix(".yml")):
        yield from _of_yaml(tree.read(name).decode("utf-8", "replace"), name)


def of_map(found: LabelMap, severity: str = "") -> Iterator[Finding]:
    for number, name, line in zip(found.ids, found.names, found.lines, strict=True):
        if number == 0:
            yield Finding("label-map-zero", found.file, f"{name!r} has id 0", line=line, severity=severity)
    for number, count in Counter(found.ids).items():
        if count > 1:
            lines = [line for line, own in zip(found.lines, found.ids, strict=True) if own == number]
            names = [name for name, own in zip(found.names, found.ids, strict=True) if own == number]
            yield Finding("label-map-repeated", found.file, f"{number}: {', '.join(names)}", line=lines[-1])
    for name, count in Counter(found.names).items():
        if count > 1:
            line = [line for line, own in zip(found.lines, found.names, strict=True) if own == name][-1]
            yield Finding("class-listed-twice", found.file, repr(name), line=line)
    positive = sorted({number for number in found.ids if number > 0})
    gaps = sorted(set(range(1, positive[-1] + 1)) - set(positive)) if positive and positive[-1] < 10**6 else []
    if gaps:
        shown = ", ".join(map(str, gaps[:5])) + (f" and {len(gaps) - 5} more" if len(gaps) > 5 else "")
        yield Finding("label-map-gaps", found.file, f"no {shown}")


def parse_pbtxt(text: str, file: str) -> LabelMap:
    """A StringIntLabelMap in text form (TensorFlow Object Detection API); items without id or name are passed over."""
    text = re.sub(r"#[^\n]*", "", text)
    found = LabelMap(file, [], [], [])
    for item in ITEM.finditer(text):
        fields = {one["key"]: one["number"] or one["a"] or one["b"] or "" for one in FIELD.finditer(item["body"])}
        label = fields.get("display_name") or fields.get("name")
        if "id" in fields and label and re.fullmatch(r"-?\d+", fields["id"]):
            found.ids.append(int(fields["id"]))
            found.names.append(label)
            found.lines.append(text.count("\n", 0, item.start()) + 1)
    return found


def _coco_map(value: Any, file: str) -> LabelMap | None:
    """The categories of what a JSON file holds; None if it has none that can be read."""
    try:
        pairs = [(int(item["id"]), str(item["name"])) for item in value["categories"]]
    except (ValueError, KeyError, TypeError):
        return None
    return LabelMap(file, [number for number, _ in pairs], [name for _, name in pairs], [None] * len(pairs))


def _of_yaml(text: str, file: str) -> Iterator[Finding]:
    """`nc` beside a list of names of another length, and a name listed twice: all that text alone can tell."""
    names: list[str] = []
    if match := YAML_INLINE.search(text):
        names = [word for word in re.findall(r"""\s*("[^"]*"|'[^']*'|[^,]+)\s*(?:,|$)""", match[1]) if word.strip()]
    elif match := YAML_BLOCK.search(text):
        names = [re.sub(r"^[ \t]*(?:-|\d+\s*:)", "", line) for line in match[1].splitlines() if line.strip()]
    names = [name.strip().strip("\"'") for name in names]
    count = YAML_COUNT.search(text)
    if names and count and int(count[1]) != len(names):
        line = text.count("\n", 0, count.start()) + 1
        place = PurePosixPath(file).name
        yield Finding("class-count-differs", file, f"nc is {count[1]}, {place} has {len(names)} names", line=line)
    for name, often in Counter(names).items():
        if often > 1:
            yield Finding("class-listed-twice", file, repr(name))
