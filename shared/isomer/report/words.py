"""Numbers and names for people."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from isomer.dataset.canonical import Dataset


def json_text(value: Any) -> str:
    """JSON that cannot end the script element or the attribute it stands in."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def slug(title: str) -> str:
    """A title as the id of its section."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"


def whole(value: int | None) -> str:
    return "–" if value is None else f"{value:,}".replace(",", "\u202f")


def plural(count: int, one: str, many: str = "") -> str:
    """`1 box`, `2 boxes`."""
    return f"{whole(count)} {one if count == 1 else many or one + 's'}"


def digits(value: float | None, places: int = 3) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.{places}f}"


def signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.3f}".replace("-", "−")


def megabytes(value: int) -> str:
    return f"{value / 1e6:.1f} MB"


def milliseconds(value: float) -> str:
    return f"{value:.1f} ms"


def figure(value: Any) -> str:
    """A gate's value or limit: small numbers with their power of ten, words as they are."""
    if value is None:
        return "–"
    if not isinstance(value, float):
        return str(value)
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.4g}"
    power = math.floor(math.log10(abs(value)))
    return f"{value / 10**power:.1f}·10{str(power).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def short(value: Any) -> str:
    """A hash by its beginning; anything else whole."""
    text = str(value)
    is_hash = len(text) >= 32 and set(text.removeprefix("sha256:")) <= set("0123456789abcdef")
    return text.removeprefix("sha256:")[:12] if is_hash else text


def words(key: str) -> str:
    """`recipe.weight_decay` -> `recipe · weight decay`."""
    return key.replace("_", " ").replace(".", " · ")


def plain(value: float | str) -> str:
    """A value for a program to compare: a number with all its digits."""
    return value if isinstance(value, str) else repr(value)


def about(dataset: Dataset) -> str:
    """What a dataset is, in a line."""
    splits = ", ".join(f"{whole(count['images'])} {name}" for name, count in dataset.about["splits"].items())
    parts = [plural(len(dataset.classes), "class", "classes"), f"{splits} pictures"]
    return " · ".join([*parts, *(dataset.about[key] for key in ("source", "licence") if dataset.about.get(key))])
