"""The page of a benchmark: what was compared, latencies, memory, and where the time goes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from isomer import benchmarks
from isomer.report import words
from isomer.report.blocks import (
    PLAIN,
    Cell,
    Chart,
    Charts,
    Columns,
    Note,
    Section,
    Series,
    Share,
    Shares,
    Table,
    Verdict,
)
from isomer.report.document import page

PARTS = {"head": "head: resize, normalise", "core": "core: the network", "tail": "tail: NMS, padding"}
MOST_OPERATORS = 12
PART_COLOUR = 3  # in the palette, whose first ones are the models'


def render(report: dict[str, Any]) -> str:
    """The page of benchmark.json as one self-contained HTML document."""
    names = [model["name"] for model in report["models"]]
    machine, (height, width) = report["machine"], report["frame"]
    warning = benchmarks.busy(report)
    sections = [
        *([_verdict(report)] if len(names) > 1 else []),
        *([Note(f"{warning[0].upper()}{warning[1:]}.", warning=True)] if warning else []),
        *(Note(f"{name} was not used: {why}", warning=True) for name, why in report["absent_providers"].items()),
        _latency(report),
        _spent(report),
        _memory(report),
    ]
    processors = words.plural(machine["processors"], "processor")
    lede = (
        f"Frames of {height} × {width} · {machine['processor']}, {processors} · ONNX Runtime {machine['onnxruntime']}"
    )
    return page(" vs ".join(names), sections, lede=lede, kind="benchmark")


def _verdict(report: dict[str, Any]) -> Verdict:
    first, *others = benchmarks.verdicts(report)
    return Verdict(PLAIN, first, [f"{line}." for line in others])


def _latency(report: dict[str, Any]) -> Section:
    colours = {model["name"]: place for place, model in enumerate(report["models"])}
    rows = []
    for cell in report["cells"]:
        for name, times in cell["models"].items():
            ratios = cell["ratios"].get(name, {})
            rows.append(
                [
                    Cell(name, mark=colours[name]),
                    cell["provider"],
                    cell["batch"],
                    cell["threads"],
                    *(Cell(words.milliseconds(times[key]), times[key]) for key in ("p50_ms", "p95_ms", "p99_ms")),
                    Cell(f"{times['images_per_s']:.1f}", times["images_per_s"]),
                    *(_ratio(ratios.get(key)) for key in ("wall", "processor")),
                    times["runs"],
                ]
            )
    head = ["Model", "Provider", "Batch", "Threads", "p50", "p95", "p99", "Images/s", "× first", "× processor", "Runs"]
    note = "From pixels to boxes, a batch a call, in sessions that were opened anew several times."
    if len(report["models"]) > 1:
        note += (
            " The models in turns. × first: how many times as long as the first model takes, and the 99 % interval of "
            "that; × processor: of the processors' time, which other programs lengthen less."
        )
    alone = [column for column in (8, 9) if len(report["models"]) == 1]
    rows = [[value for place, value in enumerate(row) if place not in alone] for row in rows]
    head = [value for place, value in enumerate(head) if place not in alone]
    return Section(
        "Latency", [Table(head, rows, cards=True), Charts(list(_charts(report, colours)), wide=True)], note=note
    )


def _ratio(ratio: dict[str, Any] | None) -> Cell:
    if ratio is None:
        return Cell("")
    state = "" if ratio["within_noise"] else "good" if ratio["value"] < 1 else "bad"
    return Cell(benchmarks.ratio_words(ratio), ratio["value"], state=state)


def _charts(report: dict[str, Any], colours: dict[str, int]) -> Iterator[Chart]:
    """Latency and throughput by batch where several were measured, and how the runs of the first ones are spread."""
    for (provider, threads), group in groupby(report["cells"], key=lambda cell: (cell["provider"], cell["threads"])):
        cells = list(group)
        where = f"{provider}, {words.plural(threads, 'thread')}"
        for key, title, unit in (("p50_ms", "Latency", "ms"), ("images_per_s", "Throughput", "images/s")):
            series = [
                Series(name, [cell["batch"] for cell in known], [cell["models"][name][key] for cell in known], colour)
                for name, colour in colours.items()
                if len(known := [cell for cell in cells if name in cell["models"]]) > 1
            ]
            if series:
                yield Chart(f"{title}: {where}", series, "batch", unit, points=True)
        shown = cells[0]
        series = [
            Series(name, *_spread(times["quantiles_ms"]), colours[name]) for name, times in shown["models"].items()
        ]
        yield Chart(
            f"Share of runs that were faster: {where}, batches of {shown['batch']}",
            series,
            "ms",
            "share",
            fraction=True,
        )


def _spread(quantiles: list[float]) -> tuple[list[float], list[float]]:
    """Milliseconds, rising, and the share of runs that took less; of equal ones the last."""
    shares = {value: place / len(quantiles) for place, value in enumerate(quantiles)}
    return list(shares), list(shares.values())


def _spent(report: dict[str, Any]) -> Section:
    blocks: list[Any] = []
    for model in report["models"]:
        about = model["profile"]
        for provider, profile in about["providers"].items():
            where = f"{model['name']}, {provider}, batches of {about['batch']}"
            if profile["parts"]:
                parts = profile["parts"]
                shares = [
                    Share(label, parts[name], PART_COLOUR + index, f"{parts[name]:.0%}")
                    for index, (name, label) in enumerate(PARTS.items())
                ]
                blocks.append(Shares(where, shares))
            by = ", ".join(
                f"{count} by {name.removesuffix('ExecutionProvider')}" for name, count in profile["nodes"].items()
            )
            blocks.append(
                Note(f"{where}: nodes computed: {by}; {profile['detections']} detections in what was profiled.")
            )
    tables = [
        _operators(model["name"], place, provider, profile["operators"])
        for place, model in enumerate(report["models"])
        for provider, profile in model["profile"]["providers"].items()
        if profile["operators"]
    ]
    note = (
        "By ONNX Runtime's own profile of the model as it runs it, operators fused and layouts changed. "
        "The tail takes longer the more is found."
    )
    return Section("Where the time goes", [*blocks, Columns(tables)], note=note)


def _operators(name: str, colour: int, provider: str, shares: dict[str, float]) -> Table:
    shown = list(shares.items())[:MOST_OPERATORS]
    rows = [[Cell(kind), Cell(f"{share:.1%}", share, bar=share, colour=colour)] for kind, share in shown]
    rest = 1 - sum(share for _, share in shown)
    if len(shares) > len(shown):
        rows.append([Cell(f"{len(shares) - len(shown)} others"), Cell(f"{rest:.1%}", rest, bar=rest, colour=colour)])
    return Table([Cell(f"{name}, {provider}", mark=colour), "Time"], rows)


def _memory(report: dict[str, Any]) -> Section:
    rows = [
        [
            Cell(model["name"], mark=place, small=f"{model['architecture']} · {model['input_size']} px"),
            Cell(words.megabytes(model["bytes"]), model["bytes"]),
            row["provider"],
            row["batch"],
            Cell(words.milliseconds(row["load_s"] * 1000), row["load_s"]),
            Cell(words.milliseconds(row["first_s"] * 1000), row["first_s"]),
            Cell(words.megabytes(row["peak_bytes"]), row["peak_bytes"]),
            Cell(words.megabytes(row["peak_bytes"] - row["bare_bytes"]), row["peak_bytes"] - row["bare_bytes"]),
        ]
        for place, model in enumerate(report["models"])
        for row in model["memory"]
    ]
    head = ["Model", "File", "Provider", "Batch", "Loading", "First run", "Peak memory", "Of which the model"]
    note = "Each in a process of its own, which holds Python and ONNX Runtime besides."
    return Section("Loading and memory", [Table(head, rows, cards=True)], note=note)
