"""The page about a dataset's own pictures and boxes."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageColor

from isomer.dataset.canonical import Dataset, Split
from isomer.dataset.checks.findings import CODES, Findings
from isomer.report import words
from isomer.report.blocks import BAD, GOOD, PLAIN, Cell, Columns, Images, Note, Picture, Section, Table, Verdict
from isomer.report.document import page
from isomer.report.gallery import css_colour, truth
from isomer.report.sheet import BUDGET, contact_sheet
from isomer.report.statistics import ClassRow, Statistics
from isomer.report.thumbnails import data_url

MOST_CLASSES = 60  # rows of the table
MOST_MAPS = 11  # heat maps of single classes
MOST_SIZES = 6
ALL_COLOUR = "#2f6fb3"  # style.css calls it c0
SEVERITIES = {"error": "var(--no)", "warning": "var(--c4)", "note": "var(--both)"}


def render(dataset: Dataset, splits: list[Split], counted: Statistics, findings: Findings) -> str:
    """The page as one self-contained HTML document."""
    return page(
        dataset.name,
        [
            _verdict(dataset, findings),
            _findings(findings),
            _classes(dataset, splits, counted),
            _boxes(counted),
            Section("Pictures", [truth(splits, contact_sheet(splits), BUDGET)], note=_shown(dataset, splits)),
            _provenance(dataset),
        ],
        lede=words.about(dataset),
        kind="data",
    )


def _verdict(dataset: Dataset, findings: Findings) -> Verdict:
    counts = findings.counts()
    if counts["error"]:
        state, headline = BAD, f"{words.plural(counts['error'], 'error')} to mend"
    elif counts["warning"]:
        state, headline = PLAIN, f"No error, {words.plural(counts['warning'], 'warning')}"
    else:
        state, headline = GOOD, "Nothing to mend"
    totals = [sum(split[key] for split in dataset.about["splits"].values()) for key in ("images", "boxes")]
    line = f"{words.whole(totals[0])} pictures and {words.whole(totals[1])} boxes were looked at."
    if counts["error"]:
        line += f" data-check {dataset.name} names every place."
    return Verdict(state, headline, [line])


def _findings(findings: Findings) -> Table:
    rows = []
    for (severity, code), items in findings.groups().items():
        more = f" and {len(items) - 1} more" if len(items) > 1 else ""
        what = Cell(CODES[code].what, mark=SEVERITIES[severity], small=f"{severity} · {code}")
        rows.append([what, len(items), f"{items[0].text}{more}", CODES[code].advice])
    return Table(["Finding", "How many", "Where", "What to do"], rows, text=(2, 3), cards=True)


def _classes(dataset: Dataset, splits: list[Split], counted: Statistics) -> Section:
    classes = counted.classes
    if len(classes) > MOST_CLASSES:
        classes = sorted(classes, key=lambda row: -row.total)[:MOST_CLASSES]
    most = max((row.total for row in counted.classes), default=0) or 1
    rows = []
    for row in classes:
        colour = css_colour(row.number)
        shares = [
            Cell("–") if share is None else Cell(f"{share:.1f} %", share) for share in _shares(row, splits, counted)
        ]
        total = Cell(words.whole(row.total), row.total, bar=row.total / most, colour=colour)
        side = Cell("–") if row.side is None else Cell(f"{row.side:.0f} %", row.side)
        rows.append([Cell(row.name, swatch=colour), total, row.pictures, *shares, side])
    head = ["Class", "Boxes", "Pictures", *(split.name for split in splits), "Median side"]
    more = f"The {len(classes)} classes with most boxes of {len(dataset.classes)}; all are in dataset.json."
    table = Table(head, rows, note=more if len(classes) < len(dataset.classes) else "", faint=range(3, len(head)))
    by_split = [
        [one.name, one.pictures, one.negatives, one.boxes, Cell(f"{one.boxes / one.pictures:.1f}")]
        for one in counted.splits
    ]
    sizes = [[size, count] for size, count in counted.sizes[:MOST_SIZES]]
    rest = len(counted.sizes) - MOST_SIZES
    note = (
        "The columns of the splits give a class's share of the split's boxes: where they differ much, the splits "
        "measure something else than is trained."
    )
    columns = [
        Table(["Split", "Pictures", "without boxes", "Boxes", "a picture"], by_split, faint=(2, 4)),
        Table(["Width × height", "Pictures"], sizes, note=f"and {rest} more sizes" if rest > 0 else ""),
    ]
    return Section("Classes and splits", [table, Columns(columns)], note=note)


def _boxes(counted: Statistics) -> Section:
    note = (
        "Size: the root of a box's share of its picture, in percent, so 10 is a box a tenth as wide and high as its "
        "picture. Aspect: width to height."
    )
    maps = [("all classes", counted.heat, ALL_COLOUR)]
    if len(counted.classes) > 1:
        common = sorted(counted.classes, key=lambda row: -row.total)[:MOST_MAPS]
        maps += [(row.name, row.heat, css_colour(row.number)) for row in common]
    pictures = [
        Picture(heat_map(heat, colour), name, f"heat map of the centres of {name}") for name, heat, colour in maps
    ]
    return Section(
        "Boxes", [Columns(counted.histograms, narrow=True), Images("Where their centres lie", pictures)], note=note
    )


def _shown(dataset: Dataset, splits: list[Split]) -> str:
    counts = dataset.about["splits"]
    return "Some of all: " + ", ".join(f"of {counts[split.name]['images']} in {split.name}" for split in splits) + "."


def _provenance(dataset: Dataset) -> Section:
    facts = [
        (key.capitalize(), dataset.about[key]) for key in ("source", "format", "licence") if dataset.about.get(key)
    ]
    return Section(
        "Provenance", [Note(f"{key}: {value}") for key, value in [*facts, ("Dataset sha256", dataset.sha256)]]
    )


def heat_map(shares: np.ndarray, colour: str) -> str:
    """A PNG in a data: URL, a pixel a cell: the colour, the more opaque the more centres lie there."""
    pixels = np.zeros((*shares.shape, 4), np.uint8)
    pixels[..., :3] = ImageColor.getrgb(colour)
    # by the root: a few boxes far out should show
    pixels[..., 3] = np.round(255 * np.sqrt(shares))
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", optimize=True)
    return data_url(stream.getvalue(), "png")


def _shares(row: ClassRow, splits: list[Split], counted: Statistics) -> list[float | None]:
    """The class's share of each split's boxes, percent."""
    totals = {split.name: split.boxes for split in counted.splits}
    return [100 * row.boxes[split.name] / totals[split.name] if totals[split.name] else None for split in splits]
