"""One page from its title and sections: one HTML file that holds its styles, scripts and pictures.

    html = page(
        "shapes-torch on shapes",                     # the heading; escaped, as all text
        [
            Verdict(GOOD, "mAP 0.71", ["on 120 pictures"]),
            Section("Results", [Table(["Class", "AP50", "Boxes"], [["cat", 0.91, 12], ["dog", None, 0]])]),
            Section("Speed", [Charts([Chart("Latency", [Series("torch", [1, 2, 4], [5.1, 8.0, 14.2])], x="batch")])]),
            *detections(split, [Detector("torch", results)], threshold=0.3),     # of gallery.py
        ],
        lede="3 classes · 120 pictures",
    )
    files.write_text(path, html)

What a section may hold is in blocks.py; `gallery.detections` makes the sections about a split's pictures: precision and
recall, kinds of mistakes, and the pictures themselves, all at a threshold that the reader moves. Nothing is loaded from
anywhere, and a Content Security Policy that allows only the page's own scripts keeps it so.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from isomer.report import blocks, words
from isomer.run import now

HERE = Path(__file__).parent
STYLES = ("vendor/uPlot.min.css", "style.css")
SCRIPTS = ("vendor/uPlot.iife.min.js", "page.js", "curves.js", "gallery.js")


def page(title: str, sections: Sequence[Any], *, lede: str = "", kind: str = "") -> str:
    """The page as one self-contained HTML document.

    Args:
        sections: Sections, or blocks that stand before the first one.
        lede: a line below the title.
        kind: what sort of page it is, in the browser's title (`data`, `run`).
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"colour": _colour, "percent": _percent, "sortable": _sortable}
    script = _text(SCRIPTS)
    return environment.get_template("document.html.j2").render(
        title=title,
        kind=kind,
        lede=lede,
        sections=[one if isinstance(one, blocks.Section) else _Loose(one) for one in sections],
        contents=[one for one in sections if isinstance(one, blocks.Section)],
        made=now(),
        style=Markup(_text(STYLES)),
        script=Markup(script),
        script_sha256=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


class _Loose:
    """A block outside of any section."""

    title = ""

    def __init__(self, block: Any):
        self.blocks = [block]


def _text(names: Sequence[str]) -> str:
    return "".join((HERE / name).read_text() for name in names)


def _colour(value: blocks.Colour) -> str:
    """A colour as CSS: the palette has six."""
    return f"var(--c{value % 6})" if isinstance(value, int) else value


def _percent(fraction: float) -> str:
    return f"{100 * min(max(fraction, 0), 1):.1f}%"


def _sortable(cell: blocks.Cell) -> str:
    """What a cell is sorted by."""
    value = cell.text if cell.value is None else cell.value
    return words.plain(value)
