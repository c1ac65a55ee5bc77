"""What the data volume knows about a dataset: its runs, their gates, and the comparison of its models."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isomer import files, parity
from isomer.contract import Thresholds
from isomer.dataset import canonical
from isomer.dataset.canonical import Dataset, Split
from isomer.report.gallery import Detector
from isomer.run import RunFolder
from isomer.volume import Volume


@dataclass(frozen=True)
class Subject:
    """One run and the model published from it (they share a name); either may be missing.

    label: the framework's name where that says which run is meant, else the run's.
    record: run.json; log: metrics.jsonl; gate: gate.json; model: its part of parity.json; results: its detections.
    """

    name: str
    label: str
    framework: str
    config: dict[str, Any]
    record: dict[str, Any]
    log: list[dict[str, Any]]
    gate: dict[str, Any] | None
    model: dict[str, Any] | None
    results: list[dict]


@dataclass(frozen=True)
class Collected:
    """Everything the page shows. `warnings` say what is older than what it describes."""

    dataset: Dataset
    split: Split
    subjects: list[Subject]
    parity: dict[str, Any] | None
    warnings: list[str]

    @property
    def score_threshold(self) -> float:
        """Above which detections are shown: what the published models do."""
        return self.parity["score_threshold"] if self.parity else Thresholds.score

    @property
    def detectors(self) -> list[Detector]:
        """The models that were compared; their places in the palette are their subjects'."""
        return [
            Detector(subject.label, subject.results, index)
            for index, subject in enumerate(self.subjects)
            if subject.model
        ]


def collect(volume: Volume, name: str) -> Collected:
    """Read all that there is about a dataset; runs that are not finished and models not compared yet are no error.

    Raises:
        UserError: there is no such dataset, or its test split is empty.
    """
    dataset = canonical.load(volume.dataset(name))
    folder = volume.reports / dataset.name
    compared = parity.read(folder)
    models = {model["name"]: model for model in compared["models"]} if compared else {}
    runs = {run.name: run for run in _runs(volume, dataset)}
    frameworks = {run: runs[run].config()["framework"] for run in runs}
    frameworks |= {model: value["framework"] for model, value in models.items()}
    subjects = []
    for subject in sorted(frameworks):
        framework, run = frameworks[subject], runs.get(subject)
        alone = list(frameworks.values()).count(framework) == 1
        subjects.append(
            Subject(
                name=subject,
                label=framework if alone else subject,
                framework=framework,
                config=run.config() if run else {},
                record=run.record() if run else {},
                log=run.metrics() if run else [],
                gate=_gate(run) if run else None,
                model=models.get(subject),
                results=parity.read_detections(folder, subject) if subject in models else [],
            )
        )
    return Collected(
        dataset, dataset.split("test"), subjects, compared, list(_warnings(volume, dataset, compared, subjects))
    )


def _runs(volume: Volume, dataset: Dataset):
    for path in sorted(volume.runs.glob("[!.]*/config.json")):
        run = RunFolder(path.parent)
        # of a run whose files are damaged the verb runs tells
        with contextlib.suppress(ValueError):
            if run.config().get("data") == dataset.name:
                yield run


def _gate(run: RunFolder) -> dict[str, Any] | None:
    return json.loads(run.gate_json.read_text()) if run.gate_json.is_file() else None


def _warnings(volume: Volume, dataset: Dataset, compared: dict | None, subjects: list[Subject]):
    """What on the page is out of date, in sentences."""
    for subject in subjects:
        if subject.config and subject.config.get("dataset_sha256") != dataset.sha256:
            yield f"{subject.name} was trained on an earlier version of this dataset."
    if compared is None:
        return
    if compared["dataset_sha256"] != dataset.sha256:
        yield "The comparison was made on an earlier version of this dataset: run parity again."
    for subject in subjects:
        path = volume.models / f"{subject.name}.onnx"
        if subject.model and _changed(path, subject.model["sha256"]):
            yield f"The model {subject.name} has changed since it was compared: run parity again."
        if not subject.model and path.is_file():
            yield f"The model {subject.name} is not in the comparison yet: run parity again."


def _changed(path: Path, sha256: str) -> bool:
    return not path.is_file() or files.sha256_of_file(path) != sha256
