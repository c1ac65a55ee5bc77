"""From what was collected to the page's HTML."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from markupsafe import Markup

from isomer.evaluation import RECALLS, SIZES, precision_recall
from isomer.report import template
from isomer.report.collect import Collected, Subject
from isomer.report.pictures import Shown, css_colour

MOST_CURVES = 12  # precision-recall charts; a dataset may have hundreds of classes
# What run.json and config.json hold besides: shown elsewhere on the page, or of no use to a reader.
NOT_PROVENANCE = {"metrics", "provenance", "data", "weights"}
MOST_CONFUSIONS = 12  # rows of the table of classes taken for others
MOST_CLASSES = 40  # rows of the table by class


@dataclass(frozen=True)
class Row:
    """A row of the tables by class, by size and of confusions: each model's value."""

    name: str
    values: list[float | None]
    boxes: int | None = None

    @property
    def change(self) -> float | None:
        """From the first model to the last."""
        first, last = self.values[0], self.values[-1]
        return None if first is None or last is None else last - first


def render(collected: Collected, pictures: list[Shown]) -> str:
    """The page as one self-contained HTML document, with these pictures."""
    dataset = collected.dataset
    boxes = Counter(dataset.classes[box.category - 1] for picture in collected.split.pictures for box in picture.boxes)
    # most boxes first where there are too many for one table
    classes = (
        dataset.classes
        if len(dataset.classes) <= MOST_CLASSES
        else sorted(dataset.classes, key=lambda name: -boxes[name])[:MOST_CLASSES]
    )
    compared = [subject for subject in collected.subjects if subject.model]
    return template.render(
        "page.html.j2",
        styles=("vendor/uPlot.min.css", "style.css"),
        scripts=("vendor/uPlot.iife.min.js", "charts.js", "enlarge.js"),
        dataset=dataset,
        split=collected.split,
        subjects=list(enumerate(collected.subjects)),
        models=[(index, subject) for index, subject in enumerate(collected.subjects) if subject.model],
        parity=collected.parity,
        warnings=collected.warnings,
        classes=classes,
        by_class=[
            Row(
                name,
                [subject.model["metrics"]["per_class"][name]["AP50"] for subject in compared],
                boxes[name],
            )
            for name in classes
        ],
        by_size=[Row(name, [subject.model["metrics"]["by_size"][name] for subject in compared]) for name in SIZES],
        confusions=_confusions([subject.model["metrics"] for subject in compared]),
        colours={name: css_colour(number) for number, name in enumerate(dataset.classes, start=1)},
        groups={name: list(group) for name, group in groupby(pictures, key=lambda shown: shown.group)},
        threshold=collected.score_threshold,
        provenance=_provenance(collected.subjects),
        charts=Markup(_script_json(_charts(collected, classes))),
    )


def _confusions(metrics: Sequence[dict[str, Any]]) -> list[Row]:
    """How often each model took a box of one class for another, the most frequent first."""
    counts: dict[tuple[str, str], list[int]] = {}
    for place, figures in enumerate(metrics):
        for truth, found, count in figures.get("confusion", ()):
            if truth and found and truth != found:
                counts.setdefault((truth, found), [0] * len(metrics))[place] = count
    most = sorted(counts.items(), key=lambda item: (-sum(item[1]), item[0]))[:MOST_CONFUSIONS]
    return [Row(f"{truth} taken for {found}", values) for (truth, found), values in most]


def _script_json(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


def _charts(collected: Collected, classes: Sequence[str]) -> list[dict[str, Any]]:
    """The curves for charts.js: {id, title, x, y, series: [{label, colour, dash, x: [...], y: [...]}]}."""
    charts = [
        _log_chart(collected.subjects, "loss", "Training loss", "train", {"loss": False}),
        _log_chart(collected.subjects, "quality", "Validation", "val", {"mAP": False, "AP50": True}),
    ]
    curves = {
        index: precision_recall(collected.split, subject.results)
        for index, subject in enumerate(collected.subjects)
        if subject.model
    }
    for name in classes[:MOST_CURVES]:
        series = [
            {
                "label": collected.subjects[index].label,
                "colour": index,
                "dash": False,
                "x": RECALLS.tolist(),
                "y": [round(value, 4) for value in curve[name]],
            }
            for index, curve in curves.items()
            if name in curve
        ]
        if series:
            charts.append({"group": "curves", "title": name, "x": "recall", "y": "precision", "series": series})
    return [chart for chart in charts if chart["series"]]


def _log_chart(subjects: list[Subject], group: str, title: str, split: str, keys: dict[str, bool]) -> dict[str, Any]:
    """Keys of metrics.jsonl over the epochs; a key that maps to True is dashed."""
    series = []
    for index, subject in enumerate(subjects):
        lines = [line for line in subject.log if line["split"] == split]
        for key, dash in keys.items():
            points = [(line["epoch"], line[key]) for line in lines if line.get(key) is not None]
            if points:
                label = subject.label if len(keys) == 1 else f"{subject.label} {key}"
                x, y = zip(*points, strict=True)
                series.append({"label": label, "colour": index, "dash": dash, "x": x, "y": y})
    return {"group": group, "title": title, "x": "epoch", "y": "", "series": series}


def _provenance(subjects: list[Subject]) -> dict[str, list[Any]]:
    """Rows of the provenance table: a key, and each run's value (None where it has none)."""
    columns = []
    for subject in subjects:
        facts = {key: value for key, value in subject.record.items() if key not in NOT_PROVENANCE}
        # what was done comes before what was asked for: --steps is not given where --epochs decides
        asked = {key: value for key, value in subject.config.items() if value is not None and key not in facts}
        columns.append(_flat(facts | subject.record.get("provenance", {}) | asked))
    keys = dict.fromkeys(key for column in columns for key in column if key not in NOT_PROVENANCE)
    return {key: [column.get(key) for column in columns] for key in keys}


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, item in value.items():
        if isinstance(item, dict):
            flat |= _flat(item, f"{prefix}{key}.")
        else:
            flat[prefix + key] = ", ".join(map(str, item)) if isinstance(item, list) else item
    return flat
