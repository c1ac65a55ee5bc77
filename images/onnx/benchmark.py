"""benchmark: how fast models of the contract are, what memory they take, where the time goes; several in turns."""

from __future__ import annotations

import os
from typing import Any

import measuring
import providers
import published
import tables
from measuring import Asked

from isomer import answers, benchmarks, files, progress
from isomer.converting.asked import sides
from isomer.errors import UserError, run_main
from isomer.flags import Benchmark, parse
from isomer.report import benchmark_page
from isomer.volume import Volume

MOST_KINDS = 6  # of operators in the terminal; the JSON has all


def main() -> None:
    options = parse(Benchmark, prog="benchmark")
    with answers.alone(options.json):
        answers.give(options.json, benchmark(options))


def benchmark(options: Benchmark) -> dict[str, Any]:
    """Measure, write what reports/ gets, say it; gives benchmark.json."""
    batches, threads = _numbers("--batches", options.batches), _numbers("--threads", options.threads, _processors())
    size, names = sides(options.size), providers.parse(options.providers)
    volume = Volume.from_environment()
    models = published.find(volume, options.model)
    report = measuring.measure(Asked(models, batches, threads, names, options.seconds, size, options.pictures))
    folder = volume.reports / benchmarks.folder_name([model.name for model in models])
    files.write_json(folder / benchmarks.BENCHMARK_JSON, report)
    files.write_text(folder / benchmarks.BENCHMARK_HTML, benchmark_page.render(report))
    show(report)
    for name in (benchmarks.BENCHMARK_JSON, benchmarks.BENCHMARK_HTML):
        progress.say(f"{folder / name}")
    return report


def _numbers(flag: str, words: str, everything: int | None = None) -> tuple[int, ...]:
    """`1,4`, and `all` where that means a number; each once, in the order given."""
    found = []
    for word in words.split(","):
        if everything is not None and word.strip() == "all":
            found.append(everything)
        elif word.strip().isdecimal() and 1 <= int(word) <= 1024:
            found.append(int(word))
        else:
            also = "" if everything is None else ", or all"
            raise UserError(f"{flag} {words}: {word!r} is no whole number from 1 to 1024{also}")
    return tuple(dict.fromkeys(found))


def _processors() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0))


def show(report: dict[str, Any]) -> None:
    """The tables in the terminal, then what was compared."""
    _latencies(report)
    for line in benchmarks.verdicts(report):
        progress.say(line)
    _memory(report)
    _spent(report)
    for name, why in report["absent_providers"].items():
        progress.say(f"{name}: not used, {why}")
    if (warning := benchmarks.busy(report)) is not None:
        progress.say(f"note: {warning}")


def _latencies(report: dict[str, Any]) -> None:
    rows = []
    for cell in report["cells"]:
        for name, times in cell["models"].items():
            ratios = cell["ratios"].get(name, {})
            rows.append(
                [
                    name,
                    _provider(report, cell["provider"]),
                    str(cell["batch"]),
                    str(cell["threads"]),
                    *(f"{times[key]:.2f}" for key in ("p50_ms", "p95_ms", "p99_ms")),
                    f"{times['images_per_s']:.1f}",
                    *(benchmarks.ratio_words(ratios[key]) if ratios else "" for key in ("wall", "processor")),
                    str(times["runs"]),
                ]
            )
    head = ["model", "provider", "batch", "threads", "p50 ms", "p95 ms", "p99 ms", "images/s"]
    height, width = report["frame"]
    title = f"frames of {height}x{width}"
    tables.show(title, [*head, "× first", "× processor", "runs"], rows, words=("model", "provider"))


def _provider(report: dict[str, Any], name: str) -> str:
    """Nothing where there is only the CPU."""
    return "" if {cell["provider"] for cell in report["cells"]} == {"cpu"} else name


def _memory(report: dict[str, Any]) -> None:
    rows = [
        [
            model["name"],
            _provider(report, row["provider"]),
            str(row["batch"]),
            f"{model['bytes'] / 1e6:.1f}",
            f"{row['load_s'] * 1000:.0f}",
            f"{row['first_s'] * 1000:.0f}",
            f"{row['peak_bytes'] / 1e6:.0f}",
            f"{(row['peak_bytes'] - row['bare_bytes']) / 1e6:.0f}",
        ]
        for model in report["models"]
        for row in model["memory"]
    ]
    head = ["model", "provider", "batch", "file MB", "load ms", "first run ms", "peak MB", "the model's MB"]
    tables.show("each in a process of its own", head, rows, words=("model", "provider"))


def _spent(report: dict[str, Any]) -> None:
    rows = []
    for model in report["models"]:
        for provider, profile in model["profile"]["providers"].items():
            parts = profile["parts"]
            kinds = list((profile["operators"] or {}).items())[:MOST_KINDS]
            by = (f"{name.removesuffix('ExecutionProvider')} {count}" for name, count in profile["nodes"].items())
            rows.append(
                [
                    model["name"],
                    _provider(report, provider),
                    ", ".join(by),
                    *("–" if parts is None else f"{parts[name]:.0%}" for name in ("head", "core", "tail")),
                    ", ".join(f"{name} {share:.0%}" for name, share in kinds) or "a GPU's are not told apart",
                ]
            )
    head = ["model", "provider", "nodes by", "head", "core", "tail", "operators"]
    tables.show("where the time goes", head, rows, words=("model", "provider", "nodes by", "operators"))


if __name__ == "__main__":
    run_main(main)
