"""Blocks that several pages show: results, curves of training, the gate's verdict, where a run comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isomer.evaluation import SIZES
from isomer.report import words
from isomer.report.blocks import Cell, Chart, Series, Table
from isomer.report.gallery import css_colour

MOST_CLASSES = 40  # rows of a table by class
MOST_POINTS = 2000  # of a curve: a screen shows no more
MOST_CONFUSIONS = 12  # rows of the table of classes taken for others
SIZE_WORDS = {"small": "below 32² pixels", "medium": "32² to 96²", "large": "from 96²"}
# What run.json and config.json hold besides: shown elsewhere on a page, or of no use to a reader.
NOT_PROVENANCE = {"metrics", "provenance", "data", "weights"}

QUALITY = ("mAP", "AP50", "AP75", "Precision", "Recall", "F1")

Subjects = Sequence[tuple[str, int]]
"""What a table compares: label and place in the palette of each column."""

Metrics = Sequence[dict[str, Any]]
"""evaluation.Metrics as JSON, one for each subject."""


def bar(value: float | None, colour: int) -> Cell:
    """A fraction with a bar below it."""
    return Cell(words.digits(value), value, bar=value or 0, colour=colour)


def quality(metrics: dict[str, Any], colour: int) -> list[Cell]:
    """The cells below QUALITY: the first three with bars."""
    bars = [bar(metrics[key], colour) for key in ("mAP", "AP50", "AP75")]
    return bars + [Cell(words.digits(metrics[key]), metrics[key]) for key in ("precision", "recall", "F1")]


def by_class(title: str, subjects: Subjects, metrics: Metrics, classes: Sequence[str], boxes: dict[str, int]) -> Table:
    """AP50 by class; of many classes those with most boxes. classes: all, in their order."""
    shown = classes
    if len(classes) > MOST_CLASSES:
        shown = sorted(classes, key=lambda name: -boxes.get(name, 0))[:MOST_CLASSES]
    colours = {name: css_colour(number) for number, name in enumerate(classes, start=1)}
    rows = []
    for name in shown:
        values = [one["per_class"].get(name, {}).get("AP50") for one in metrics]
        rows.append([Cell(name, swatch=colours[name]), *_compared(values), boxes.get(name, 0)])
    more = f"The {len(shown)} classes with most boxes of {len(classes)}." if len(shown) < len(classes) else ""
    return Table([title, *_heads(subjects), "Boxes"], rows, note=more, faint=(len(rows[0]) - 1,) if rows else ())


def by_size(subjects: Subjects, metrics: Metrics) -> Table:
    rows = [
        [Cell(size, small=SIZE_WORDS[size]), *_compared([one["by_size"][size] for one in metrics])] for size in SIZES
    ]
    return Table(["mAP by size", *_heads(subjects)], rows, plain=True)


def confusions(subjects: Subjects, metrics: Metrics) -> Table:
    """How often each took a box of one class for another, the most frequent first."""
    counts: dict[tuple[str, str], list[int]] = {}
    for place, figures in enumerate(metrics):
        for was, said, count in figures.get("confusion", ()):
            if was and said and was != said:
                counts.setdefault((was, said), [0] * len(metrics))[place] = count
    most = sorted(counts.items(), key=lambda item: (-sum(item[1]), item[0]))[:MOST_CONFUSIONS]
    rows = [[f"{was} taken for {said}", *values] for (was, said), values in most]
    return Table(["Confusions", *(Cell(label, mark=colour) for label, colour in subjects)], rows)


def log_charts(subjects: Subjects, logs: Sequence[list[dict[str, Any]]]) -> list[Chart]:
    """The training loss and the validation's quality over the epochs; a chart of nothing is left out."""
    loss = Chart("Training loss", logged(subjects, logs, "train", {"loss": False}), "epoch")
    measured = logged(subjects, logs, "val", {"mAP": False, "AP50": True})
    charts = [loss, Chart("Validation", measured, "epoch", fraction=True, points=True)]
    return [chart for chart in charts if chart.series]


def logged(subjects: Subjects, logs: Sequence[list[dict[str, Any]]], split: str, keys: dict[str, bool]) -> list[Series]:
    """Keys of metrics.jsonl over the epochs, as far as they were logged. A key that is True is dashed."""
    series = []
    for (label, colour), log in zip(subjects, logs, strict=True):
        lines = [line for line in log if line["split"] == split]
        for key, dash in keys.items():
            points = [(line["epoch"], line[key]) for line in lines if line.get(key) is not None]
            if points:
                # the last one too, wherever the steps fall
                thinned = points[:: -(-len(points) // MOST_POINTS)]
                x, values = zip(*thinned, *(points[-1:] if thinned[-1] != points[-1] else ()), strict=True)
                series.append(Series(label if len(keys) == 1 else f"{label} {key}", x, values, colour, dash))
    return series


def gate_table(title: str, colour: int | None, gate: dict[str, Any]) -> Table:
    """gate.json's checks with their values and limits."""
    rows = [
        [
            Cell(check["name"], tick=check["passed"], small=check["detail"]),
            Cell(words.figure(check["value"]), check["value"]),
            Cell(words.figure(check["limit"]), check["limit"]),
        ]
        for check in gate["checks"]
    ]
    return Table([Cell(title, mark=colour), "Value", "Limit"], rows, faint=(2,), plain=True)


def passed(value: bool | None) -> Cell:
    """A verdict in a cell, a dash where there is none."""
    if value is None:
        return Cell("–")
    return Cell("passed" if value else "failed", state="good" if value else "bad")


def provenance(subjects: Sequence[tuple[str, int | None]], columns: Sequence[dict[str, Any]]) -> Table:
    """Rows of nested facts, each subject's in a column of its own."""
    flat = [_flat(column) for column in columns]
    keys = dict.fromkeys(key for column in flat for key in column if key not in NOT_PROVENANCE)
    rows = [[words.words(key), *(_fact(column.get(key)) for column in flat)] for key in keys]
    heads = ["", *(Cell(label, mark=colour) for label, colour in subjects)]
    return Table(heads, rows, text=tuple(range(1, len(heads))), plain=True)


def facts(config: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    """What a run's config.json and run.json say of it, for `provenance`."""
    done = {key: value for key, value in record.items() if key not in NOT_PROVENANCE}
    # what was done comes before what was asked for: --steps is not given where --epochs decides
    asked = {key: value for key, value in config.items() if value is not None and key not in done}
    return done | record.get("provenance", {}) | asked


def _heads(subjects: Subjects) -> list[Cell]:
    heads = [Cell(label, mark=colour) for label, colour in subjects]
    return [*heads, Cell("Δ")] if len(heads) == 2 else heads


def _compared(values: Sequence[float | None]) -> list[Cell | float | None]:
    """The values, and with two of them what the second has more than the first."""
    if len(values) != 2:
        return list(values)
    change = None if None in values else values[1] - values[0]
    return [*values, Cell(words.signed(change), change)]


def _fact(value: Any) -> Cell:
    if value is None:
        return Cell("–")
    text, short = str(value), words.short(value)
    return Cell(short, code=short != text, hint=text if short != text else "")


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, item in value.items():
        if isinstance(item, dict):
            flat |= _flat(item, f"{prefix}{key}.")
        else:
            flat[prefix + key] = ", ".join(map(str, item)) if isinstance(item, list) else item
    return flat
