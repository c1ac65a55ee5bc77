"""A run's folder: config, provenance, metrics.

runs/RUN/   config.json  run.json (provenance)  metrics.jsonl  checkpoints/  tensorboard/
            native/ (predictions)  core.onnx  core.json  assembled.onnx  gate.json
            slurm/ (batch scripts and logs of a cluster's jobs)
            of a converted model also: source.json, reference/ (pictures); whole.onnx  whole.json for core.*
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isomer import files
from isomer.errors import UserError
from isomer.flags import FREE, Train, option
from isomer.volume import Volume, check_name, default_run

if TYPE_CHECKING:  # the host reads runs, and has no numpy
    from isomer.dataset.canonical import Dataset

STARTED = "started"  # the state of a run before its first step; the others are session.py's
SETTLED_ELSEWHERE = {"framework", "dataset_sha256", "recipe"}  # what config.json holds beside flags


@dataclass(frozen=True)
class RunFolder:
    """The folder of one training run."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    @property
    def native(self) -> Path:
        return self.path / "native"

    @property
    def core_onnx(self) -> Path:
        return self.path / "core.onnx"

    @property
    def core_json(self) -> Path:
        return self.path / "core.json"

    @property
    def whole_onnx(self) -> Path:
        return self.path / "whole.onnx"

    @property
    def whole_json(self) -> Path:
        return self.path / "whole.json"

    @property
    def source_json(self) -> Path:
        return self.path / "source.json"

    @property
    def assembled_onnx(self) -> Path:
        return self.path / "assembled.onnx"

    @property
    def gate_json(self) -> Path:
        return self.path / "gate.json"

    @property
    def metrics_jsonl(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def jobs(self) -> Path:
        """Batch scripts and logs of a cluster's jobs."""
        return self.path / "slurm"

    def config(self) -> dict[str, Any]:
        return json.loads((self.path / "config.json").read_text())

    def record(self) -> dict[str, Any]:
        """run.json: state, config, provenance, times."""
        path = self.path / "run.json"
        return json.loads(path.read_text()) if path.is_file() else {}

    def update(self, **values: Any) -> None:
        files.write_json(self.path / "run.json", self.record() | values)

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl; a last line cut short by a kill is left out."""
        if not self.metrics_jsonl.is_file():
            return []
        lines = self.metrics_jsonl.read_text().split("\n")
        return [json.loads(line) for line in lines if line.endswith("}")]

    def log(self, **values: Any) -> None:
        """Append one object to metrics.jsonl; numbers that are no finite JSON numbers become null."""
        clean = {key: None if isinstance(value, float) and value != value else value for key, value in values.items()}
        with self.metrics_jsonl.open("a") as stream:
            stream.write(json.dumps(clean, allow_nan=False) + "\n")

    def clear(self) -> None:
        """Throw away what was trained; the logs of a cluster's jobs stay, of which one may be this one's."""
        for path in self.path.glob("*"):
            if path == self.jobs:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def is_empty(self) -> bool:
        """Whether it ended before anything was learned."""
        was_ended = self.record().get("state") in (STARTED, "failed", "interrupted")
        return was_ended and not any(self.checkpoints.glob("[!.]*"))

    def drop_metrics_after(self, step: int) -> None:
        """Forget what was logged after the checkpoint that training goes on from."""
        self._keep_metrics(lambda line: line["step"] <= step)

    def drop_evaluation(self, step: int) -> None:
        """Forget an evaluation that is done again: it was logged, and the run killed before it was saved."""
        self._keep_metrics(lambda line: (line["split"], line["step"]) != ("val", step))

    def _keep_metrics(self, wanted: Callable[[dict[str, Any]], bool]) -> None:
        kept = [json.dumps(line) + "\n" for line in self.metrics() if wanted(line)]
        files.write_text(self.metrics_jsonl, "".join(kept))


def start_or_resume(
    volume: Volume, dataset: Dataset, config: Train, framework: str, recipe: dict[str, Any]
) -> RunFolder:
    """The folder of the run these flags ask for, made or found again.

    Args:
        recipe: what the framework adds to the flags (optimizer, schedule …); saved, and compared on resuming.

    Raises:
        UserError: the folder holds a run with another configuration or dataset; each difference is named. One that
            ended before its first checkpoint (its weights or its batch did not fit …) makes place.
    """
    name = check_name("run", config.run or default_run(dataset.name, framework))
    run = RunFolder(volume.runs / name)
    wanted = {
        "framework": framework,
        **{key: value for key, value in asdict(config).items() if key not in FREE},
        "dataset_sha256": dataset.sha256,
        "recipe": recipe,
    }
    wanted = json.loads(json.dumps(wanted))
    if config.fresh:
        run.clear()
    if (run.path / "config.json").is_file():
        found = run.config()
        different = [
            f"{option(key)} is {found.get(key)!r} there and {wanted.get(key)!r} here"
            for key in sorted(found.keys() | wanted.keys())
            if found.get(key) != wanted.get(key)
        ]
        if not different:
            return run
        if not run.is_empty():
            raise UserError(
                f"run {name!r} exists with another configuration: {'; '.join(different)}. "
                "Give --run another name, the same flags to go on with it, or --fresh to throw it away"
            )
    run.path.mkdir(parents=True, exist_ok=True)
    files.write_json(run.path / "config.json", wanted)
    run.update(run=name, state=STARTED, started=now(), provenance=provenance(dataset))
    return run


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def provenance(dataset: Dataset) -> dict[str, Any]:
    """Where a run comes from. The launcher knows the code and the environment and says so in `ISOMER_*` variables."""
    known = {
        key: os.environ.get(f"ISOMER_{key.upper()}", "unknown")
        for key in ("git_revision", "git_dirty", "code_sha256", "lock_sha256", "environment", "engine")
    }
    return {
        "dataset": dataset.name,
        "dataset_sha256": dataset.sha256,
        **known,
        "python": platform.python_version(),
        "hardware": {"machine": platform.machine(), "cpu": _cpu_name(), "cores": len(os.sched_getaffinity(0))},
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
