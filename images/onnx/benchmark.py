"""benchmark: how fast models of the contract are, what memory they take, where the time goes; several in turns."""

from __future__ import annotations

import os
from typing import Any

import measuring
import providers
import published
from measuring import Asked
from rich.console import Console
from rich.table import Table

from isomer import benchmarks, files, progress
from isomer.converting.asked import sides
from isomer.errors import UserError, run_main
from isomer.flags import Benchmark, parse
from isomer.report import benchmark_page
from isomer.volume import Volume

MOST_KINDS = 6  # of operators in the terminal; the JSON has all


def main() -> None:
    options = parse(Benchmark, prog="benchmark")
    batches, threads = _numbers("--batches", options.batches), _numbers("--threads", options.threads, _processors())
    size, names = sides(options.size), providers.parse(options.providers)
    volume = Volume.from_environment()
    models = published.find(volume, options.model)
    report = measuring.measure(Asked(models, batches, threads, names, options.seconds, size, options.pictures))
    folder = volume.reports / benchmarks.folder_name([model.name for model in models])
    files.write_json(folder / benchmarks.BENCHMARK_JSON, report)
    if options.json:
        files.write_json(options.json, report)
    files.write_text(folder / benchmarks.BENCHMARK_HTML, benchmark_page.render(report))
    show(report)
    for name in (benchmarks.BENCHMARK_JSON, benchmarks.BENCHMARK_HTML):
        progress.say(f"{folder / name}")


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
    # a log has no width: give a table what it needs instead of folding its figures
    console = Console(width=None if Console().is_terminal else 160)
    height, width = report["frame"]
    table = Table(title=f"frames of {height}x{width}", title_justify="left")
    for name in ("model", "provider"):
        table.add_column(name)
    for name in ("batch", "threads", "p50 ms", "p95 ms", "p99 ms", "images/s", "× first", "× by processor", "runs"):
        table.add_column(name, justify="right")
    for cell in report["cells"]:
        for name, times in cell["models"].items():
            ratios = cell["ratios"].get(name, {})
            figures = [f"{times[key]:.2f}" for key in ("p50_ms", "p95_ms", "p99_ms")]
            table.add_row(
                name,
                cell["provider"],
                str(cell["batch"]),
                str(cell["threads"]),
                *figures,
                f"{times['images_per_s']:.1f}",
                *(benchmarks.ratio_words(ratios[key]) if ratios else "" for key in ("wall", "processor")),
                str(times["runs"]),
            )
    console.print(table)
    for line in benchmarks.verdicts(report):
        progress.say(line)
    console.print(_alone(report))
    console.print(_profiles(report))
    for name, why in report["absent_providers"].items():
        progress.say(f"{name}: not used, {why}")
    if (warning := benchmarks.busy(report)) is not None:
        progress.say(f"note: {warning}")


def _alone(report: dict[str, Any]) -> Table:
    table = Table(title="each in a process of its own", title_justify="left")
    table.add_column("model")
    for name in ("MB", "provider", "batch", "load ms", "first run ms", "peak memory MB", "of which the model MB"):
        table.add_column(name, justify="right")
    for model in report["models"]:
        for row in model["memory"]:
            table.add_row(
                model["name"],
                f"{model['bytes'] / 1e6:.1f}",
                row["provider"],
                str(row["batch"]),
                f"{row['load_s'] * 1000:.0f}",
                f"{row['first_s'] * 1000:.0f}",
                f"{row['peak_bytes'] / 1e6:.0f}",
                f"{(row['peak_bytes'] - row['bare_bytes']) / 1e6:.0f}",
            )
    return table


def _profiles(report: dict[str, Any]) -> Table:
    table = Table(title="where the time goes", title_justify="left")
    for name in ("model", "provider", "nodes computed by"):
        table.add_column(name)
    for name in ("head", "core", "tail"):
        table.add_column(name, justify="right")
    table.add_column("operators")
    for model in report["models"]:
        for provider, profile in model["profile"]["providers"].items():
            parts = profile["parts"]
            kinds = list((profile["operators"] or {}).items())[:MOST_KINDS]
            table.add_row(
                model["name"],
                provider,
                ", ".join(
                    f"{name.removesuffix('ExecutionProvider')} {count}" for name, count in profile["nodes"].items()
                ),
                *(["–"] * 3 if parts is None else [f"{parts[name]:.0%}" for name in ("head", "core", "tail")]),
                ", ".join(f"{name} {share:.0%}" for name, share in kinds) or "a GPU's are not told apart",
            )
    return table


if __name__ == "__main__":
    run_main(main)
