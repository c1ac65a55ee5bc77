"""What happens around the training steps: the log, evaluations, checkpoints, and stopping."""

from __future__ import annotations

import dataclasses
import io
import math
import time
from collections import deque
from pathlib import Path
from typing import Any

import group
import lightning
import numpy as np
import torch
from inference import Inference, detections
from job import Job
from loading import Loading
from module import Average, TrainingModule
from resuming import Checkpoints
from torch import Tensor

from isomer import evaluation, files, memory, native
from isomer.contract import Thresholds
from isomer.errors import EXIT_USAGE
from isomer.evaluation import Metrics
from isomer.progress import say
from isomer.training import CHECKPOINT_SECONDS, LOG_STEPS, TrainLog, has_stopped_improving, not_finite

BEST = "best.pt"
SLOW_STEP = 5.0  # seconds; steps that long are saved one by one, for a signal leaves too little time to end one
FIGURES = ("mAP", "AP50")  # of an evaluation, in the curves


@dataclasses.dataclass(frozen=True)
class Report:
    """A step's figures, on their way from the device; `ready` says when they are here."""

    step: int
    lr: float
    values: Tensor
    ready: torch.cuda.Event | None


class Watch(lightning.Callback):
    """Logs every step, measures the val split when the plan says so, and saves.

    A checkpoint is saved before an evaluation and after it, after a minute, and when a signal came; never one of a
    step whose loss or gradient was no number. The weights of the best evaluation are kept as best.pt.
    """

    def __init__(self, job: Job, checkpoints: Checkpoints, log: TrainLog) -> None:
        self.job, self.checkpoints, self.log_book, self.interruption = job, checkpoints, log, job.interruption
        self.evaluated = 0  # the step of the last evaluation
        self.metrics: dict[str, Any] = {}  # of the best evaluation
        self.best_weights: Path = job.run.checkpoints / BEST
        self._random: list[Tensor] = []
        self._reports: deque[Report] = deque()
        self._step = -1
        self._saved_at = self._ended_at = time.monotonic()
        self._waited = 0.0

    def state_dict(self) -> dict:
        random = [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [])]
        return {"evaluated": self.evaluated, "metrics": self.metrics, "random": random}

    def load_state_dict(self, state_dict: dict) -> None:
        self.evaluated, self.metrics = state_dict["evaluated"], state_dict["metrics"]
        self._random = state_dict["random"]

    def on_train_start(self, trainer: lightning.Trainer, pl_module: TrainingModule) -> None:
        self.interruption.install()  # Lightning has taken the signals meanwhile
        self._step, self._ended_at = trainer.global_step, time.monotonic()
        pl_module.wishes = self._wishes
        self.evaluate_if_due(trainer, pl_module)
        self._stop_early(trainer)  # where a run was cut off between that and its end

    def on_train_batch_start(self, trainer: lightning.Trainer, *_) -> None:
        self._waited += time.monotonic() - self._ended_at
        if self._random:  # only now: making the loader has drawn a number
            torch.set_rng_state(self._random[0].cpu())
            if torch.cuda.is_available() and self._random[1:]:
                torch.cuda.set_rng_state_all([state.cpu() for state in self._random[1:]])
            self._random = []

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: TrainingModule, *_) -> None:
        if trainer.global_step > self._step:  # and not in the middle of one
            took = time.monotonic() - self._ended_at
            self._step = trainer.global_step
            self._reports.append(_send(self._step, pl_module.lr, pl_module.report))
            # a GPU's report is read a step later, or it would have to wait for it
            stop, save = self._read(trainer, pl_module, 1 if pl_module.device.type == "cuda" else 0)
            if stop and not self.interruption.requested:
                self.interruption.request(0)
            alone = self.job.place.world == 1
            due = self._step in self.job.plan.eval_steps
            if due or save or stop or (alone and (self.interruption.requested or took > SLOW_STEP)):
                self.save(trainer, pl_module)
            if stop or alone:
                self.interruption.leave()
            self.evaluate_if_due(trainer, pl_module)
            if due:
                self._stop_early(trainer)
        self._ended_at = time.monotonic()

    def evaluate_if_due(self, trainer: lightning.Trainer, module: TrainingModule) -> None:
        """Measure the val split if that is due and was not done before the run was cut off."""
        step = trainer.global_step
        if step not in self.job.plan.eval_steps or step == self.evaluated:
            return
        average = next((one for one in trainer.callbacks if isinstance(one, Average)), None)
        if average:  # the averaged weights change places with the trained ones, as around Lightning's own validation
            average.on_validation_epoch_start(trainer, module)
        try:
            self._evaluate(trainer, module)
        finally:
            if average:
                average.on_validation_epoch_end(trainer, module)
        self.evaluated = step
        self.save(trainer, module)

    def save(self, trainer: lightning.Trainer, module: TrainingModule) -> None:
        """Write the checkpoint that training goes on from, whole or not at all."""
        self._read(trainer, module, 0)
        self.checkpoints.write(trainer)
        self._saved_at = time.monotonic()

    def _wishes(self) -> tuple[bool, bool]:
        """Whether this process wants to stop, and to save: asked in every step, and answered to all processes."""
        overdue = time.monotonic() - self._saved_at > CHECKPOINT_SECONDS
        return self.interruption.requested, self.job.place.first and overdue

    def _read(self, trainer: lightning.Trainer, module: TrainingModule, leave: int) -> tuple[bool, bool]:
        """Log the reports but the last `leave`; whether some process wants to stop, and to save."""
        stop = save = False
        while len(self._reports) > leave:
            report = self._reports.popleft()
            if report.ready:
                report.ready.synchronize()
            wants_stop, wants_save, norm, *values = report.values.tolist()
            stop, save = stop or wants_stop > 0, save or wants_save > 0
            loss = sum(values)
            # a scaler meets infinite gradients and goes on with a smaller factor
            if not math.isfinite(loss) or not (math.isfinite(norm) or trainer.precision == "16-mixed"):
                self._give_up(loss if not math.isfinite(loss) else norm, report.step, trainer.datamodule)
            parts = dict(zip(module.parts, values, strict=True))
            used = torch.cuda.max_memory_allocated() if module.device.type == "cuda" else memory.resident()
            self.log_book.trained(report.step, loss, report.lr, parts, used, self._waited)
            self._waited = 0.0
            if report.step % LOG_STEPS == 0 and trainer.logger:
                curves = {"loss": loss, "lr": report.lr, **{f"loss_{name}": value for name, value in parts.items()}}
                trainer.logger.log_metrics({f"train/{name}": value for name, value in curves.items()}, report.step)
        return stop, save

    def _give_up(self, value: float, step: int, loading: Loading) -> None:
        if not self.job.place.first:  # one says it
            raise SystemExit(EXIT_USAGE)
        raise not_finite(value, step, self.job.plan, loading.names(step), self.checkpoints.newest())

    def _evaluate(self, trainer: lightning.Trainer, module: TrainingModule) -> None:
        step = trainer.global_step
        metrics = self._measure(module)
        self.log_book.evaluated(step, metrics)
        if trainer.logger:
            figures = {f"val/{name}": getattr(metrics, name) for name in FIGURES}
            trainer.logger.log_metrics({name: value for name, value in figures.items() if value is not None}, step)
        if (metrics.mAP or 0) < (self.metrics.get("mAP") or 0):
            return
        self.metrics = metrics.to_json()
        if self.job.place.first:
            stream = io.BytesIO()  # torch.save to a full disk gives a RuntimeError that does not say so
            torch.save(
                {
                    "step": step,
                    "model": module.detector.name,
                    "size": module.detector.size,
                    "classes": list(self.job.dataset.classes),
                    "detector": module.detector.state_dict(),
                },
                stream,
            )
            files.write_bytes(self.best_weights, stream.getvalue())

    def _measure(self, module: TrainingModule) -> Metrics:
        """Each process looks at its share of the pictures, and all measure what all have found."""
        place, val = self.job.place, self.job.val
        group.same_buffers(place, module)
        module.eval()
        inference = Inference(module.detector, module.device)

        def raw(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            self.interruption.leave()
            return inference.raw(pixels)

        share = dataclasses.replace(val, pictures=val.pictures[place.rank :: place.world])
        found = native.predict_split(share, raw, detections, Thresholds().for_evaluation())
        module.train()
        results = [result for part in group.gather(place, found) for result in part]
        return evaluation.evaluate(val, results)

    def _stop_early(self, trainer: lightning.Trainer) -> None:
        patience = self.job.options.early_stop
        if trainer.should_stop or not any(group.gather(self.job.place, has_stopped_improving(self.job.run, patience))):
            return
        say(f"{patience} evaluations without a better mAP: training ends here (--early-stop {patience})")
        trainer.should_stop = True


def _send(step: int, lr: float, values: Tensor) -> Report:
    """Start to bring a step's figures from the device."""
    if values.device.type != "cuda":
        return Report(step, lr, values, None)
    there = torch.empty(values.shape, dtype=values.dtype, pin_memory=True).copy_(values, non_blocking=True)
    ready = torch.cuda.Event()
    ready.record()
    return Report(step, lr, there, ready)
