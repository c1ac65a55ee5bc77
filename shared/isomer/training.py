"""What every framework's training does alike: the plan of steps, a run's begin and end, and its log."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from isomer import files, slurm
from isomer.dataset import canonical
from isomer.dataset.canonical import Dataset
from isomer.errors import UserError
from isomer.evaluation import Metrics
from isomer.flags import Run, Train
from isomer.progress import Bar, say
from isomer.run import RunFolder, now
from isomer.session import Session
from isomer.tracking import Tracker
from isomer.volume import Volume, default_run

EVALUATIONS = 4  # in all, when --eval-every is not given
LOG_STEPS = 10  # between two lines of metrics.jsonl
RESTART = "restart"  # the split of a line that marks where the run went on in a job that was started again
CHECKPOINT_SECONDS = 60.0  # the most that a kill may cost


@dataclass(frozen=True)
class Plan:
    """How long a run takes, in steps of one batch.

    The pictures are one endless stream of shuffled epochs, cut into full batches: `steps` is the whole run,
    `eval_steps` the steps after which the val split is measured, the last step always among them.
    """

    pictures: int
    batch: int
    steps: int
    eval_steps: tuple[int, ...]

    @classmethod
    def of(cls, config: Train, pictures: int) -> Plan:
        """The plan for these flags and so many training pictures."""
        steps = config.steps or math.ceil(config.epochs * pictures / config.batch)
        every = steps / EVALUATIONS if config.eval_every is None else config.eval_every * pictures / config.batch
        regular = {min(math.ceil(every * count), steps) for count in range(1, math.ceil(steps / every))}
        return cls(pictures, config.batch, steps, tuple(sorted(regular | {steps})))

    @property
    def epochs(self) -> int:
        """Whole passes through the pictures."""
        return max(int(self.epoch(self.steps)), 1)

    def epoch(self, step: int) -> float:
        """How many times the pictures were seen after so many steps."""
        return round(step * self.batch / self.pictures, 3)


def already_done(run: RunFolder) -> bool:
    """Whether the run is finished; says so."""
    record = run.record()
    if record.get("state") != "done":
        return False
    say(f"run {run.name!r} is done ({record['steps']} steps, {record['finished']}); --fresh trains it anew")
    return True


def announce(
    run: RunFolder, plan: Plan, where: str, lr: float, done: int, processes: int = 1, nodes: Sequence[str] = ()
) -> None:
    """Say what is about to be trained on what; with several processes, what each of them does of it.

    Args:
        where: what computes, in words. nodes: their names, where Slurm has started the processes.
    """
    names = f" ({', '.join(nodes)})" if nodes else ""
    each = f", {plan.batch // processes} a process, lr {lr:g} (not scaled)" if processes > 1 else ""
    say(f"train {run.name} on {where}{names}: {plan.steps} steps of {plan.batch} pictures{each}, {done} done")


def finish(run: RunFolder, steps: int, weights: Path, metrics: dict[str, Any], **facts: Any) -> None:
    """Mark a run as done: `weights` is the file that is exported, `metrics` (Metrics.to_json) its val split's."""
    run.update(
        state="done",
        finished=now(),
        steps=steps,
        weights=str(weights.relative_to(run.path)),
        weights_sha256=files.sha256_of_file(weights),
        metrics=metrics,
        **facts,
    )
    say(f"run {run.name!r} is done: val mAP {_digits(metrics['mAP'])}, AP50 {_digits(metrics['AP50'])}")


def trained(options: Run, framework: str) -> tuple[RunFolder, Dataset]:
    """The finished run that `--run` or `--data` names, and the dataset it was trained on.

    Raises:
        UserError: there is none, it is another framework's, it is not finished, or its dataset has changed.
    """
    volume = Volume.from_environment()
    run = RunFolder(volume.run(options.run or default_run(options.data, framework)))
    config, record = run.config(), run.record()
    if config["framework"] != framework:
        raise UserError(f"run {run.name!r} was trained with {config['framework']}, not with {framework}")
    if record.get("state") != "done":
        raise UserError(f"run {run.name!r} is not trained to its end: the command that started it goes on with it")
    dataset = canonical.load(volume.dataset(config["data"]))
    if dataset.sha256 != config["dataset_sha256"]:
        raise UserError(f"dataset {dataset.name!r} has changed since run {run.name!r} was trained on it: train again")
    return run, dataset


def trained_weights(run: RunFolder) -> Path:
    """The weights a finished run names.

    Raises:
        UserError: the file is gone, or is not the one that was trained.
    """
    record = run.record()
    path = run.path / record["weights"]
    if not path.is_file() or files.sha256_of_file(path) != record["weights_sha256"]:
        raise UserError(f"{path} is missing or is not what run {run.name!r} trained: train it again with --fresh")
    return path


def export_provenance(run: RunFolder, **versions: str) -> dict[str, str]:
    """What core.json and the published model say about where they come from."""
    record = run.record()
    origin = {key: value for key, value in record["provenance"].items() if isinstance(value, str)}
    return {"run": run.name, **origin, "weights_sha256": record["weights_sha256"], **versions}


def evaluations(run: RunFolder) -> list[dict[str, Any]]:
    """The run's evaluations so far, as metrics.jsonl has them."""
    return [line for line in run.metrics() if line["split"] == "val"]


def best_evaluation(run: RunFolder) -> dict[str, Any]:
    """The figures (Metrics.to_json) of the best evaluation by mAP, of equal ones the last."""
    best = max(enumerate(evaluations(run)), key=lambda item: (item[1]["mAP"] or 0.0, item[0]))[1]
    return {key: value for key, value in best.items() if key not in ("step", "epoch", "split", "seconds")}


def has_stopped_improving(run: RunFolder, patience: int | None) -> bool:
    """Whether the last `patience` evaluations were no better than one before them (--early-stop); None: never."""
    scores = [line["mAP"] or 0.0 for line in evaluations(run)]
    if patience is None or len(scores) <= patience:
        return False
    return max(scores[-patience:]) <= max(scores[:-patience])


def not_finite(loss: float, step: int, plan: Plan, pictures: Sequence[str], checkpoint: Path | None) -> UserError:
    """The error for a loss (or gradient) that is no number any more.

    Args:
        pictures: file names of the step's batch.
        checkpoint: the last one, which was written while all was well.
    """
    epoch, batch = divmod((step - 1) * plan.batch, plan.pictures)
    kept = f"the last good checkpoint is {checkpoint}" if checkpoint else "there is no checkpoint before it"
    return UserError(
        f"the loss is {loss} at step {step} (epoch {epoch + 1}, batch {batch // plan.batch + 1}), pictures "
        f"{', '.join(pictures)}; {kept}. Train with a lower --lr or a longer --warmup under another --run; if it is "
        "always the same pictures, look at their boxes with data-check"
    )


class TrainLog:
    """A run's metrics.jsonl, its bar, and a line an epoch; a context manager around the training loop."""

    def __init__(self, run: RunFolder, plan: Plan, done: int, writes: bool = True, logger: str = "none") -> None:
        """`done` steps are behind: what was logged after them (before a kill) is forgotten.

        Of several processes of one run only the first `writes`. logger: what --logger says.
        """
        self._run, self._plan, self._writes, self._logger = run, plan, writes, logger
        self._step = self._logged = self._begun = done
        self._restart_clock()
        self._losses: list[float] = []  # of this epoch
        self.restart: dict[str, Any] | None = None  # the line that marks it, where Slurm has started the job again
        self._tracker: Tracker | None = None
        self._bar = Bar(f"train {run.name}", plan.steps * plan.batch, "images", done * plan.batch)
        self._open = contextlib.ExitStack()

    def __enter__(self) -> TrainLog:
        before = 0.0
        if self._writes:
            has_begun = "planned_steps" in self._run.record()
            self._open.enter_context(Session(self._run, self._plan.steps))
            self._run.drop_metrics_after(self._logged)
            before = next((line.get("seconds", 0.0) for line in reversed(self._run.metrics())), 0.0)
            if has_begun:
                self._mark_restart(before)
            if self._logger == "mlflow":
                self._tracker = self._open.enter_context(Tracker(self._run))
        self._start = time.monotonic() - before  # without the time between a kill and the command that goes on
        self._open.enter_context(self._bar)
        return self

    def __exit__(self, *error) -> None:
        self._open.__exit__(*error)

    def trained(
        self,
        step: int,
        loss: float,
        lr: float,
        parts: Mapping[str, float] = MappingProxyType({}),
        memory: int | None = None,
        waited: float | None = None,
    ) -> None:
        """After `step` steps (from 1), of which the last had this loss and learning rate; call it at least
        every LOG_STEPS.

        Args:
            parts: of the loss, by name: class, box …
            memory: bytes in use, of the GPU where there is one.
            waited: seconds since the last call in which no picture was ready.

        Raises:
            UserError: the loss is not a number any more.
        """
        if not math.isfinite(loss):
            raise UserError(f"the loss is {loss} at step {step}, the learning rate {lr:.2g}: train with a lower --lr")
        before, self._step = self._step, step
        self._losses.append(loss)
        self._waited += waited or 0.0
        split = ", ".join(f"{name} {value:.3f}" for name, value in parts.items())
        room = "" if memory is None else f"  {memory / 1e9:.2f} GB"
        text = f"{f' ({split})' if split else ''}  lr {lr:.2g}{room}"
        self._bar.advance((step - before) * self._plan.batch, f"loss {loss:.3f}{text}")
        if step // LOG_STEPS > self._logged // LOG_STEPS or step == self._plan.steps:
            seconds = max(time.monotonic() - self._clock, 1e-9)
            rate = (step - self._clock_step) * self._plan.batch / seconds
            more = {f"loss_{name}": round(value, 5) for name, value in parts.items()}
            more |= {} if memory is None else {"memory": memory}
            more |= {} if waited is None else {"waiting": round(self._waited / seconds, 4)}
            self._log("train", step, loss=round(loss, 5), lr=lr, images_per_s=round(rate, 2), **more)
            self._logged = step
            self._restart_clock()
        epoch = int(self._plan.epoch(step))
        if epoch > int(self._plan.epoch(before)):
            mean = sum(self._losses) / len(self._losses)
            say(f"epoch {epoch}/{self._plan.epochs}  {self._bar.rate:.1f} images/s  mean loss {mean:.3f}, last{text}")
            self._losses = []

    def evaluated(self, step: int, metrics: Metrics) -> None:
        """After an evaluation of the val split; its time does not count as training."""
        if self._writes and step == self._begun:
            self._run.drop_evaluation(step)
        self._log("val", step, **metrics.to_json())
        say(f"step {step}: val mAP {_digits(metrics.mAP)}, AP50 {_digits(metrics.AP50)}")
        self._restart_clock()

    def _mark_restart(self, seconds: float) -> None:
        found = slurm.restart()
        if found:
            number = 1 + sum(line["split"] == RESTART for line in self._run.metrics())
            place = {"step": self._begun, "epoch": self._plan.epoch(self._begun), "split": RESTART, "seconds": seconds}
            self.restart = place | {"job": found.job, "restart": number, "reason": found.reason}
            self._run.log(**self.restart)

    def _log(self, split: str, step: int, **values) -> None:
        if self._writes:
            seconds = round(time.monotonic() - self._start, 1)
            self._run.log(step=step, epoch=self._plan.epoch(step), split=split, seconds=seconds, **values)
            if self._tracker:
                self._tracker.log(step, split, values)

    def _restart_clock(self) -> None:
        self._clock, self._clock_step, self._waited = time.monotonic(), self._step, 0.0


def _digits(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
