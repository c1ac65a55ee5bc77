"""A sweep: runs of one dataset and framework that differ in some flags, and what became of each. Standard library only.

sweeps/NAME.json   what was asked for, and the runs; the same command finds them again
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from isomer import files, session
from isomer.errors import UserError, known
from isomer.flags import option
from isomer.run import RunFolder
from isomer.volume import Volume, check_name

METRICS = ("mAP", "AP50", "AP75", "precision", "recall", "F1")


@dataclass(frozen=True)
class Planned:
    """One run: its name, and what it has of the flags that are swept, by name."""

    run: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class Sweep:
    """What a sweep is of.

    Attributes:
        metric: that the runs are compared by, one of METRICS.
        flags: those that were typed for all runs, by name.
        arrays: the runs of each job array of a cluster, by the array's number, in the order of its tasks.
    """

    name: str
    data: str
    framework: str
    metric: str
    flags: dict[str, Any]
    runs: tuple[Planned, ...]
    arrays: dict[str, list[str]] = field(default_factory=dict)

    @property
    def swept(self) -> list[str]:
        """The flags that differ, by name."""
        return list(self.runs[0].settings)

    def save(self, volume: Volume) -> None:
        files.write_json(volume.sweeps / f"{self.name}.json", asdict(self))


@dataclass(frozen=True)
class Outcome:
    """What became of a run of a sweep.

    Attributes:
        state: as isomer.session has it; "waiting" where it has not begun.
        metrics: of the best evaluation of the val split by mAP, whose weights are kept; empty before the first.
        seconds: of training and evaluating.
        log: of its metrics.jsonl.
    """

    run: str
    settings: dict[str, Any]
    state: str
    steps: int = 0
    planned_steps: int | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    problem: str | None = None
    log: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        return self.state == session.DONE

    def figure(self, metric: str) -> float | None:
        return self.metrics.get(metric)


WAITING = "waiting"


def load(volume: Volume, name: str) -> Sweep:
    """A sweep of the data volume.

    Raises:
        UserError: there is none of that name, or its file is damaged.
    """
    path = volume.sweeps / f"{check_name('sweep', name)}.json"
    if not path.is_file():
        raise known("sweep", name, (found.stem for found in volume.sweeps.glob("*.json")))
    try:
        value = json.loads(path.read_text())
        return Sweep(**{**value, "runs": tuple(Planned(**run) for run in value["runs"])})
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}): remove it, and the same command finds the runs again") from None


def outcomes(volume: Volume, sweep: Sweep) -> list[Outcome]:
    """What became of each run, in the sweep's order."""
    return [_outcome(RunFolder(volume.runs / planned.run), planned) for planned in sweep.runs]


def _outcome(run: RunFolder, planned: Planned) -> Outcome:
    if not (run.path / "config.json").is_file():
        return Outcome(planned.run, planned.settings, WAITING)
    try:
        record, log, state = run.record(), run.metrics(), session.state(run)
    except (OSError, ValueError) as error:
        return Outcome(planned.run, planned.settings, session.FAILED, problem=f"its files are damaged: {error}")
    measured = [line for line in log if line["split"] == "val"]
    return Outcome(
        run=planned.run,
        settings=planned.settings,
        state=state,
        steps=max([line["step"] for line in log] + [record.get("steps", 0)]),
        planned_steps=record.get("planned_steps", record.get("steps")),
        metrics=record.get("metrics") or max(measured, key=lambda line: line.get("mAP") or 0, default={}),
        seconds=log[-1].get("seconds") if log else None,
        problem=record.get("problem"),
        log=log,
    )


def spelled(value: Any) -> str:
    """A setting for people: a switch is on or off."""
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def sentence(settings: dict[str, Any]) -> str:
    """`--lr 0.001, --amp on`."""
    return ", ".join(f"{option(key)} {spelled(value)}" for key, value in settings.items())


def by_metric(found: Iterable[Outcome], metric: str) -> list[Outcome]:
    """The best first; those without a figure last, in their order."""
    return sorted(found, key=lambda one: -1.0 if one.figure(metric) is None else one.figure(metric), reverse=True)


def best(found: Iterable[Outcome], metric: str) -> Outcome | None:
    """The best of the finished runs; None where none has a figure."""
    finished = [one for one in found if one.is_done and one.figure(metric) is not None]
    return by_metric(finished, metric)[0] if finished else None
