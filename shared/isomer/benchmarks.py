"""What benchmark writes into the data volume, for whatever shows it.

reports/MODEL/ or reports/MODEL-vs-MODEL/   benchmark.json  benchmark.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from isomer.report.words import plural

BENCHMARK_JSON = "benchmark.json"
BENCHMARK_HTML = "benchmark.html"
BUSY = 0.5  # of the processors are taken by others


def folder_name(models: Sequence[str]) -> str:
    """The folder in reports/ of a benchmark of these models."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", "-vs-".join(models))


def verdicts(report: dict[str, Any]) -> list[str]:
    """What the ratios say, a sentence each: by the clock, or where that is lost in noise by the processors' time."""
    first = report["models"][0]["name"]
    lines = []
    for cell in report["cells"]:
        where = f"{cell['provider']}, batches of {cell['batch']}, {plural(cell['threads'], 'thread')}"
        for name, ratios in cell["ratios"].items():
            sure = [key for key in ("wall", "processor") if not ratios[key]["within_noise"]]
            if not sure:
                lines.append(f"{name} and {first} do not differ by more than noise ({where})")
                continue
            ratio = ratios[sure[0]]
            times = "times as long as" if sure[0] == "wall" else "times the processor time of"
            spread = f"99 %: {ratio['low']:.2f}–{ratio['high']:.2f}"
            lines.append(f"{name} takes {ratio['value']:.2f} {times} {first} ({where}; {spread})")
    return lines


def busy(report: dict[str, Any]) -> str | None:
    """A warning where the machine had other work when the benchmark began."""
    machine = report["machine"]
    if machine["load"] <= machine["processors"] * BUSY:
        return None
    return (
        f"the machine was busy: {machine['load']:g} processes wanted its {plural(machine['processors'], 'processor')}. "
        "Trust ratios, not milliseconds"
    )


def ratio_words(ratio: dict[str, Any]) -> str:
    """`1.32 (1.29–1.35)`; one that is no more than noise says so."""
    text = f"{ratio['value']:.2f} ({ratio['low']:.2f}–{ratio['high']:.2f})"
    return f"{text} noise" if ratio["within_noise"] else text
