"""--logger mlflow: what metrics.jsonl holds, in a local MLflow store besides; imports MLflow only then.

runs/mlflow.db   an SQLite store; an experiment a dataset, in it a run for each of ours
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import json
import logging
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from isomer.errors import UserError
from isomer.progress import say
from isomer.run import RunFolder

STORE = "mlflow.db"
ENDED = {None: "FINISHED", SystemExit: "KILLED", KeyboardInterrupt: "KILLED"}  # else FAILED


def check() -> None:
    """Refuse --logger mlflow where it cannot be.

    Raises:
        UserError: this environment has no MLflow.
    """
    if importlib.util.find_spec("mlflow") is None:
        raise UserError("--logger mlflow: this image has no MLflow; give --logger tensorboard, or none")


def uri(runs: Path) -> str:
    """The address of the store in a folder of runs, as MLflow's own tools take it."""
    return f"sqlite:///{runs / STORE}"


class Tracker:
    """A run in the store, begun or gone on with; a context manager.

    A store that fails later on is left alone with a word: no training ends because of it.
    """

    def __init__(self, run: RunFolder) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        import mlflow

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._failure = mlflow.exceptions.MlflowException
        self._entities = mlflow.entities
        with _alone(run.path.parent / f".{STORE}.lock"):
            self._client = mlflow.MlflowClient(tracking_uri=uri(run.path.parent))
            self.id = self._found(run) or self._begun(run)
        self._last = self._last_step()
        self._is_lost = False

    def __enter__(self) -> Tracker:
        self._try(lambda: self._client.update_run(self.id, status="RUNNING"))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._try(lambda: self._client.set_terminated(self.id, ENDED.get(kind, "FAILED")))

    def log(self, step: int, split: str, values: dict[str, Any]) -> None:
        """A line of metrics.jsonl; what the store has already, from before a kill, is left out."""
        if step <= self._last.get(split, -1):
            return
        now = int(time.time() * 1000)
        metrics = [self._entities.Metric(name, value, now, step) for name, value in _numbers(split, values)]
        self._try(lambda: self._client.log_batch(self.id, metrics=metrics))

    def _found(self, run: RunFolder) -> str | None:
        known = run.record().get("mlflow_run")
        if known is None:
            return None
        try:
            return self._client.get_run(known).info.run_id
        except self._failure:
            return None  # the store was thrown away

    def _begun(self, run: RunFolder) -> str:
        config, record = run.config(), run.record()
        name = config["data"]
        experiment = self._client.get_experiment_by_name(name)
        number = experiment.experiment_id if experiment else self._client.create_experiment(name)
        provenance = {f"isomer.{key}": _text(value) for key, value in record.get("provenance", {}).items()}
        made = self._client.create_run(number, tags=provenance | {"isomer.run": run.name}, run_name=run.name)
        parameters = {key: value for key, value in config.items() if not isinstance(value, dict)}
        parameters |= {f"recipe.{key}": value for key, value in config.get("recipe", {}).items()}
        parameters = [self._entities.Param(key, _text(value)) for key, value in parameters.items() if value is not None]
        self._client.log_batch(made.info.run_id, params=parameters)
        run.update(mlflow_run=made.info.run_id)
        return made.info.run_id

    def _last_step(self) -> dict[str, int]:
        """The last step in the store, by split."""
        found = {}
        for split, key in (("train", "train/loss"), ("val", "val/mAP")):
            history = self._client.get_metric_history(self.id, key)
            if history:
                found[split] = max(metric.step for metric in history)
        return found

    def _try(self, write) -> None:
        if self._is_lost:
            return
        try:
            write()
        except self._failure as error:
            self._is_lost = True
            say(f"warning: MLflow's store does not take any more ({error}); metrics.jsonl has everything")


def _numbers(split: str, values: dict[str, Any], above: str = "") -> Iterator[tuple[str, float]]:
    """The numbers among values, those of dictionaries too, under names that MLflow takes: `val/per_class/cat/AP50`."""
    for key, value in values.items():
        name = f"{above}{re.sub(r'[^ ./:_-]', lambda found: found[0] if found[0].isalnum() else '_', key)}"
        if isinstance(value, dict):
            yield from _numbers(split, value, f"{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{split}/{name}", float(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Only one process at a time makes the store's tables."""
    with path.open("w") as stream:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
