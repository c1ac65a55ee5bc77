"""Annotation files read safely: JSON parsed once for all formats that look for theirs, XML without document types, text
in whatever encoding people have.
"""

from __future__ import annotations

import csv
import functools
import io
import json
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from isomer.dataset.source import AnnotationError, Tree

PROLOGUE = r"<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>"
ROOT_TAG = re.compile(rf"\A\s*(?:(?:{PROLOGUE})\s*)*<([A-Za-z_][\w.-]*)", re.DOTALL)


class BrokenJson(AnnotationError):
    """A .json file that is none; `data` is what stands there instead."""

    def __init__(self, reason: str, data: bytes) -> None:
        super().__init__(reason)
        self.data = data


class _Builder(ElementTree.TreeBuilder):
    """Refuses a document type, and with it entities that read files or fill the memory."""

    def doctype(self, name: str, public_id: str | None, system: str | None) -> None:
        raise AnnotationError("declares a document type, which an annotation does not need")


@functools.lru_cache(maxsize=1)  # every JSON format looks at all of them; COCO's own file takes seconds
def json_files(tree: Tree) -> dict[str, Any]:
    """What each .json file of a tree holds, or a BrokenJson; `forget` frees it.

    Pictures inside a document (LabelMe's imageData) become True, and outlines that have a bbox beside them become
    None: they would fill the memory.
    """
    found: dict[str, Any] = {}
    for name in tree.with_suffix(".json"):
        data = tree.read(name)
        try:
            found[name] = json.loads(data, object_hook=_lightened)
        except (ValueError, RecursionError) as error:
            found[name] = BrokenJson(f"no readable JSON ({error})", data)
    return found


def forget() -> None:
    """Free what `json_files` keeps."""
    json_files.cache_clear()


def parse_xml(data: bytes) -> ElementTree.Element:
    """The root of an XML document.

    Raises:
        AnnotationError: it is none, or declares a document type.
    """
    try:
        return ElementTree.fromstring(data, ElementTree.XMLParser(target=_Builder()))
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        if isinstance(error, AnnotationError):
            raise
        raise AnnotationError(f"no readable XML ({error})") from None


def root_tag(head: bytes) -> str | None:
    """The name of an XML document's first element, from its first bytes."""
    match = ROOT_TAG.match(decoded(head))
    return match[1] if match else None


def csv_rows(text: str, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file that hold anything, each with the number of its line.

    Raises:
        AnnotationError: it is no CSV, from some line on.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        yield from ((reader.line_num, row) for row in reader if any(row))
    except csv.Error as error:
        raise AnnotationError(f"no readable CSV from line {reader.line_num} on ({error})") from None


def decoded(data: bytes) -> str:
    """Text as people save it: UTF-8 with or without a mark, UTF-16 with one, else Latin-1."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _lightened(item: dict) -> dict:
    if item.get("imageData"):
        item["imageData"] = True
    if item.get("bbox") and "segmentation" in item:
        item["segmentation"] = None
    return item
