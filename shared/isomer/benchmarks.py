"""What benchmark writes into the data volume, for whatever shows it.

reports/MODEL/ or reports/MODEL-vs-MODEL/   benchmark.json  benchmark.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

BENCHMARK_JSON = "benchmark.json"


def folder_name(models: Sequence[str]) -> str:
    """The folder in reports/ of a benchmark of these models."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", "-vs-".join(models))


def ratio_words(ratio: dict[str, Any]) -> str:
    """`1.32 (1.29–1.35)`; one that is no more than noise says so."""
    text = f"{ratio['value']:.2f} ({ratio['low']:.2f}–{ratio['high']:.2f})"
    return f"{text} noise" if ratio["within_noise"] else text
