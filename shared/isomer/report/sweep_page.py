"""The page of a sweep: its runs side by side, how each learned, and what each flag that differs does to the result."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from isomer import sweep
from isomer.flags import option
from isomer.report import evidence, words
from isomer.report.blocks import (
    GOOD,
    PLAIN,
    Cell,
    Chart,
    Charts,
    Colour,
    Legend,
    Note,
    Section,
    Series,
    Table,
    Verdict,
)
from isomer.report.document import page
from isomer.report.gallery import css_colour
from isomer.session import FAILED
from isomer.sweep import Outcome, Sweep
from isomer.volume import Volume

PALETTE = 6  # colours of the page; more values are told apart by others
DECADE = 10.0  # values that are so many times apart stand on a logarithmic axis


@dataclass(frozen=True)
class Swept:
    """A sweep with what became of its runs, the best first."""

    asked: Sweep
    runs: list[Outcome]

    @property
    def metric(self) -> str:
        return self.asked.metric


def read(volume: Volume, name: str) -> Swept:
    """Read a sweep; one of which not all runs are finished is no error.

    Raises:
        UserError: there is no such sweep, or its file is damaged.
    """
    asked = sweep.load(volume, name)
    return Swept(asked, sweep.by_metric(sweep.outcomes(volume, asked), asked.metric))


def render(swept: Swept) -> str:
    """The page as one self-contained HTML document."""
    sections = [_verdict(swept), *_problems(swept), _runs(swept), *_curves(swept), *_flags(swept), _same(swept)]
    asked = swept.asked
    lede = " · ".join([asked.framework, asked.data, words.plural(len(asked.runs), "run"), *map(_name, asked.swept)])
    return page(asked.name, sections, lede=lede, kind="sweep")


def _name(key: str) -> str:
    """A flag as it is typed, without its dashes."""
    return option(key).removeprefix("--")


def _verdict(swept: Swept) -> Verdict:
    done = sum(one.is_done for one in swept.runs)
    lines = [f"{done} of {words.plural(len(swept.runs), 'run')} are done."]
    best = sweep.best(swept.runs, swept.metric)
    if best is None:
        return Verdict(PLAIN, "No run is finished yet", [*lines, "The command that started it goes on with it."])
    lines += [f"{best.run}: {sweep.sentence(best.settings)}.", f"./inv export-{swept.asked.framework} --run {best.run}"]
    return Verdict(GOOD, f"Best {swept.metric} {words.digits(best.figure(swept.metric))}", lines)


def _problems(swept: Swept) -> Iterator[Note]:
    for one in swept.runs:
        if one.state == FAILED:
            yield Note(f"{one.run} failed: {one.problem}", warning=True)


def _runs(swept: Swept) -> Section:
    measured = list(dict.fromkeys((swept.metric, "mAP", "AP50")))
    rows = [
        [
            Cell(one.run, state="bad" if one.state == FAILED else ""),
            *map(_cell, one.settings.values()),
            Cell(f"{words.whole(one.steps)} of {words.whole(one.planned_steps)}", one.steps),
            evidence.bar(one.figure(swept.metric), 0),
            *(one.figure(key) for key in measured[1:]),
            Cell("–" if one.seconds is None else f"{one.seconds:.0f} s", one.seconds),
            one.state,
        ]
        for one in swept.runs
    ]
    head = ["Run", *map(_name, swept.asked.swept), "Steps", *measured, "Time", "State"]
    note = "On the val split, with the weights that were kept: those of each run's best evaluation by mAP."
    return Section("Runs", [Table(head, rows, cards=True)], note=note)


def _cell(value: Any) -> Cell:
    """A setting with all its digits."""
    return Cell(sweep.spelled(value), value if _is_numeric([value]) else None)


def _values(swept: Swept, key: str) -> list[Any]:
    """Those of a flag: numbers rising, words as they were typed."""
    values = list(dict.fromkeys(planned.settings[key] for planned in swept.asked.runs))
    return sorted(values) if _is_numeric(values) else values


def _is_numeric(values: list[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _colours(values: list[Any]) -> dict[Any, Colour]:
    return {value: place if len(values) <= PALETTE else css_colour(place + 1) for place, value in enumerate(values)}


def _curves(swept: Swept) -> Iterator[Section]:
    """All runs' curves, once for each flag that differs, in the colours of its values."""
    blocks: list[Any] = []
    for key in swept.asked.swept:
        values = _values(swept, key)
        colours = _colours(values)
        charts = [
            Chart(
                f"{title}, by {_name(key)}",
                [series for one in swept.runs for series in _logged(one, split, figure, colours[one.settings[key]])],
                "step",
                points=split == "val",
            )
            for title, split, figure in ((f"Validation {swept.metric}", "val", swept.metric), ("Loss", "train", "loss"))
        ]
        drawn = [chart for chart in charts if chart.series]
        if drawn and len(values) > 1:
            marks = [(colours[value], f"{_name(key)} {sweep.spelled(value)}") for value in values]
            blocks += [Legend(marks), Charts(drawn, wide=True)]
    if blocks:
        note = "A line for each run, in the colour of its value."
        yield Section("How they learned", blocks, note=note)


def _logged(one: Outcome, split: str, key: str, colour: Colour) -> Iterator[Series]:
    points = [(line["step"], line[key]) for line in one.log if line["split"] == split and line.get(key) is not None]
    if points:
        thinned = points[:: -(-len(points) // evidence.MOST_POINTS)]
        steps, figures = zip(*thinned, *(points[-1:] if thinned[-1] != points[-1] else ()), strict=True)
        yield Series(one.run, steps, figures, colour)


def _flags(swept: Swept) -> Iterator[Section]:
    """What each flag does to the metric: a curve for each setting of the others, and the mean over them."""
    measured = [one for one in swept.runs if one.figure(swept.metric) is not None]
    for key in swept.asked.swept:
        values = [value for value in _values(swept, key) if any(one.settings[key] == value for one in measured)]
        if len(values) < 2:
            continue
        blocks = [_means(swept, measured, key, values)]
        if _is_numeric(values):
            blocks.insert(0, Charts([_against(swept, measured, key, values)], wide=True))
        yield Section(f"{swept.metric} against {_name(key)}", blocks)


def _against(swept: Swept, measured: list[Outcome], key: str, values: list[Any]) -> Chart:
    others: dict[str, list[Outcome]] = {}
    for one in measured:
        rest = ", ".join(f"{_name(name)} {sweep.spelled(value)}" for name, value in one.settings.items() if name != key)
        others.setdefault(rest, []).append(one)
    series = []
    for (label, runs), colour in zip(others.items(), _colours(list(others)).values(), strict=True):
        points = sorted((one.settings[key], one.figure(swept.metric)) for one in runs)
        series.append(Series(label or swept.metric, *zip(*points, strict=True), colour))
    return Chart(
        f"{swept.metric} of the val split by {_name(key)}",
        series,
        _name(key),
        points=True,
        legend=len(series) > 1,
        log=values[0] > 0 and values[-1] >= DECADE * values[0],
    )


def _means(swept: Swept, measured: list[Outcome], key: str, values: list[Any]) -> Table:
    rows = []
    for value in values:
        figures = [one.figure(swept.metric) for one in measured if one.settings[key] == value]
        mean = statistics.fmean(figures)
        rows.append([_cell(value), len(figures), evidence.bar(mean, 0), min(figures), max(figures)])
    return Table([_name(key), "Runs", f"Mean {swept.metric}", "Lowest", "Highest"], rows)


def _same(swept: Swept) -> Section:
    rows = [[_name(key), sweep.spelled(value)] for key, value in swept.asked.flags.items()]
    note = "Flags that were typed for all runs; each run's own page and its config.json have the rest."
    return Section("The same in all runs", [Table(["Flag", "Value"], rows, plain=True)], note=note)
