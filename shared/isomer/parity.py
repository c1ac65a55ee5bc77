"""The comparison of a dataset's published models with each other, and its verdict (parity.json).

    reports/DATA/   parity.json   detections-MODEL.json (COCO results, scores from contract.EVALUATION_SCORE_THRESHOLD)

Here are the figures and the verdict; running the models is images/onnx/parity.py's.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from isomer import files
from isomer.dataset.canonical import Dataset, Split
from isomer.errors import UserError
from isomer.evaluation import Metrics, agreement, evaluate
from isomer.run import now

PARITY_JSON = "parity.json"


@dataclass(frozen=True)
class Measured:
    """A published model and what it did on the split.

    latency_ms: p50 and p95 of one picture, one thread.
    results: COCO results; their classes are the dataset's whatever the order of the model's.
    """

    name: str
    framework: str
    architecture: str
    input_size: str | None
    classes: tuple[str, ...]
    sha256: str
    bytes: int
    latency_ms: dict[str, float]
    results: list[dict]


def parse_max_gap(word: str) -> float | None:
    """`--max-gap`: a difference in AP50 from 0 to 1, or None for `none`.

    Raises:
        UserError: it is neither.
    """
    if word.lower() == "none":
        return None
    try:
        value = float(word)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 1:
        raise UserError(f"--max-gap {word}: give a difference in AP50 from 0 to 1, or none for the table alone")
    return value


def compare(
    dataset: Dataset,
    split: Split,
    models: list[Measured],
    max_gap: float | None,
    score_threshold: float,
    notes: tuple[str, ...] = (),
) -> dict[str, Any]:
    """parity.json: every model's metrics, what each two of them both found, and the verdict.

    Args:
        score_threshold: of precision, recall and agreement: what a client of the published models sees.
        notes: what else a reader must know (stale models, say).
    """
    metrics = {model.name: evaluate(split, model.results, score_threshold) for model in models}
    pairs = [
        {
            "models": [first.name, second.name],
            **asdict(agreement(split, first.results, second.results, score_threshold)),
        }
        for first, second in itertools.combinations(models, 2)
    ]
    if len(models) == 1:
        notes = (f"{models[0].name} is the only published model of {dataset.name}: nothing to compare it with", *notes)
    return {
        "data": dataset.name,
        "dataset_sha256": dataset.sha256,
        "split": split.name,
        "images": len(split.pictures),
        "classes": list(split.classes),
        "score_threshold": score_threshold,
        "created": now(),
        "verdict": {**_verdict(models, metrics, max_gap), "notes": list(notes)},
        "models": [
            {
                "name": model.name,
                "framework": model.framework,
                "architecture": model.architecture,
                "input_size": model.input_size,
                "sha256": model.sha256,
                "bytes": model.bytes,
                "latency_ms": model.latency_ms,
                "metrics": metrics[model.name].to_json(),
                "detections": detections_name(model.name),
            }
            for model in models
        ],
        "agreement": pairs,
    }


def _verdict(models: list[Measured], metrics: dict[str, Metrics], max_gap: float | None) -> dict[str, Any]:
    """Whether the models may stand for each other; `gap` is the largest difference in AP50, None for one model."""
    first = models[0]
    reasons = [
        f"{model.name} has the classes {', '.join(model.classes)}; {first.name} has {', '.join(first.classes)}"
        for model in models[1:]
        if model.classes != first.classes
    ]
    gap = None
    known = {name: value.AP50 for name, value in metrics.items() if value.AP50 is not None}
    if len(known) > 1:
        best, worst = max(known, key=known.get), min(known, key=known.get)
        gap = known[best] - known[worst]
        if max_gap is not None and gap > max_gap:
            reasons.append(
                f"AP50 differs by {gap:.3f}, more than --max-gap {max_gap:g}: "
                f"{best} {known[best]:.3f}, {worst} {known[worst]:.3f}"
            )
    return {"passed": not reasons, "reasons": reasons, "max_gap": max_gap, "gap": gap}


def detections_name(model: str) -> str:
    return f"detections-{model}.json"


def write(folder: Path, report: dict[str, Any], models: list[Measured]) -> None:
    """Write the detections, then parity.json, which names them."""
    for model in models:
        files.write_json(folder / detections_name(model.name), model.results)
    files.write_json(folder / PARITY_JSON, report)


def read(folder: Path) -> dict[str, Any] | None:
    """parity.json of a report's folder; None where there is none yet."""
    path = folder / PARITY_JSON
    return json.loads(path.read_text()) if path.is_file() else None


def read_detections(folder: Path, model: str) -> list[dict]:
    return json.loads((folder / detections_name(model)).read_text())
