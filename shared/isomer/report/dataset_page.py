"""The page about a dataset's own pictures and boxes."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image, ImageColor

from isomer.dataset.canonical import Dataset, Split
from isomer.dataset.checks.findings import CODES, Findings
from isomer.report import template
from isomer.report.pictures import css_colour
from isomer.report.sheet import Thumbnail
from isomer.report.statistics import ClassRow, Statistics

MOST_CLASSES = 60  # rows of the table
MOST_MAPS = 11  # heat maps of single classes
MOST_SIZES = 6
ALL_COLOUR = "#2f6fb3"  # style.css calls it c0


def render(
    dataset: Dataset, splits: list[Split], counted: Statistics, sheet: dict[str, list[Thumbnail]], findings: Findings
) -> str:
    """The page as one self-contained HTML document."""
    classes = counted.classes
    if len(classes) > MOST_CLASSES:
        classes = sorted(classes, key=lambda row: -row.total)[:MOST_CLASSES]
    common = sorted(counted.classes, key=lambda row: -row.total)[:MOST_MAPS]
    on_sheet = {number for thumbnails in sheet.values() for one in thumbnails for number in one.classes}
    return template.render(
        "dataset.html.j2",
        styles=("style.css",),
        scripts=("enlarge.js", "sheet.js"),
        dataset=dataset,
        counts=findings.counts(),
        groups=findings.groups(),
        codes=CODES,
        classes=classes,
        most=max((row.total for row in counted.classes), default=0),
        splits=counted.splits,
        shares={row.number: _shares(row, splits, counted) for row in classes},
        histograms=counted.histograms,
        maps=[("all classes", heat_map(counted.heat, ALL_COLOUR))]
        + [(row.name, heat_map(row.heat, css_colour(row.number))) for row in common if len(classes) > 1],
        sizes=counted.sizes[:MOST_SIZES],
        more_sizes=len(counted.sizes) - MOST_SIZES,
        sheet={name: thumbnails for name, thumbnails in sheet.items() if thumbnails},
        chips=[row for row in classes if row.number in on_sheet],
        colours={row.number: css_colour(row.number) for row in counted.classes},
    )


def heat_map(shares: np.ndarray, colour: str) -> str:
    """A PNG in a data: URL, a pixel a cell: the colour, the more opaque the more centres lie there."""
    pixels = np.zeros((*shares.shape, 4), np.uint8)
    pixels[..., :3] = ImageColor.getrgb(colour)
    # by the root: a few boxes far out should show
    pixels[..., 3] = np.round(255 * np.sqrt(shares))
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def _shares(row: ClassRow, splits: list[Split], counted: Statistics) -> list[float | None]:
    """The class's share of each split's boxes, percent."""
    totals = {split.name: split.boxes for split in counted.splits}
    return [100 * row.boxes[split.name] / totals[split.name] if totals[split.name] else None for split in splits]
