"""What every page shares: its frame, style and scripts, all inside one file, and numbers for people."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from isomer.dataset.canonical import Dataset
from isomer.run import now

HERE = Path(__file__).parent


def render(name: str, *, styles: tuple[str, ...], scripts: tuple[str, ...], dataset: Dataset, **values: Any) -> str:
    """A template that extends base.html.j2 as one self-contained HTML document, with the files named inside it."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "digits": digits,
        "signed": signed,
        "megabytes": megabytes,
        "milliseconds": milliseconds,
        "figure": figure,
        "short": short,
        "words": words,
    }
    return environment.get_template(name).render(
        dataset=dataset,
        lede=lede(dataset),
        made=now(),
        style=Markup("".join((HERE / file).read_text() for file in styles)),
        script=Markup("".join((HERE / file).read_text() for file in scripts)),
        **values,
    )


def lede(dataset: Dataset) -> str:
    """What the dataset is, in a line."""
    count = len(dataset.classes)
    splits = ", ".join(f"{count['images']} {name}" for name, count in dataset.about["splits"].items())
    parts = [f"{count} {'class' if count == 1 else 'classes'}", f"{splits} pictures"]
    return " · ".join([*parts, *(dataset.about[key] for key in ("source", "licence") if dataset.about.get(key))])


def digits(value: float | None, places: int = 3) -> str:
    return "–" if value is None else f"{value:.{places}f}"


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
