"""Label maps as TensorFlow's Object Detection API writes them (.pbtxt)."""

from __future__ import annotations

import re

ITEM = re.compile(r"item\s*:?\s*\{(.*?)\}", re.DOTALL)
VALUE = re.compile(r"""(?m)\b(id|name|display_name)\s*:\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|(\d+))""")


def parse(text: str) -> dict[int, str]:
    """A label map: `item { id: 1 name: 'raccoon' }`; a display_name goes before a name, which may be a code."""
    found = {}
    for item in ITEM.finditer(re.sub(r"(?m)^\s*#.*$", "", text)):
        values = {match[1]: match[2] or match[3] or match[4] or "" for match in VALUE.finditer(item[1])}
        label = values.get("display_name") or values.get("name")
        if label and values.get("id", "").isdigit():
            found[int(values["id"])] = re.sub(r"\\(.)", r"\1", label).strip()
    return found
