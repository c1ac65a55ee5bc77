"""What happens around the training steps: the log, evaluations, checkpoints, and stopping."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from inference import Inference, detections
from module import TrainingModule

from isomer import evaluation, files, native
from isomer.contract import Thresholds
from isomer.dataset.canonical import Split
from isomer.evaluation import Metrics
from isomer.interruption import Interruption
from isomer.run import RunFolder
from isomer.training import CHECKPOINT_SECONDS, LOG_STEPS, Plan, TrainLog

LAST, BEST = "last.ckpt", "best.pt"


class Watch(lightning.Callback):
    """Logs every step, measures the val split when the plan says so, and saves.

    A checkpoint is saved before an evaluation and after it, at the end of an epoch, after a minute, and when a signal
    came. The weights of the best evaluation are kept as best.pt.
    """

    def __init__(self, run: RunFolder, plan: Plan, val: Split, log: TrainLog, interruption: Interruption) -> None:
        self.run, self.plan, self.val, self.log_book, self.interruption = run, plan, val, log, interruption
        self.evaluated = 0  # the step of the last evaluation
        self.metrics: dict[str, Any] = {}  # of the best evaluation
        self._saved_at = time.monotonic()

    @property
    def last_checkpoint(self) -> Path:
        return self.run.checkpoints / LAST

    @property
    def best_weights(self) -> Path:
        return self.run.checkpoints / BEST

    def state_dict(self) -> dict:
        return {"evaluated": self.evaluated, "metrics": self.metrics}

    def load_state_dict(self, state_dict: dict) -> None:
        self.evaluated, self.metrics = state_dict["evaluated"], state_dict["metrics"]

    def on_train_start(self, trainer: lightning.Trainer, pl_module: TrainingModule) -> None:
        self.evaluate_if_due(trainer, pl_module)

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: TrainingModule, outputs, *_) -> None:
        step = trainer.global_step
        loss, lr = float(outputs["loss"]), trainer.optimizers[0].param_groups[0]["lr"]
        self.log_book.trained(step, loss, lr)
        if step % LOG_STEPS == 0:
            trainer.logger.log_metrics({"train/loss": loss, "train/lr": lr}, step)
        epoch_ended = int(self.plan.epoch(step)) > int(self.plan.epoch(step - 1))
        overdue = time.monotonic() - self._saved_at > CHECKPOINT_SECONDS
        if epoch_ended or overdue or step in self.plan.eval_steps or self.interruption.requested:
            self.save(trainer)
        self.interruption.leave()
        self.evaluate_if_due(trainer, pl_module)

    def evaluate_if_due(self, trainer: lightning.Trainer, module: TrainingModule) -> None:
        """Measure the val split if that is due and was not done before the run was cut off."""
        step = trainer.global_step
        if step not in self.plan.eval_steps or step == self.evaluated:
            return
        metrics = self._measure(module)
        self.log_book.evaluated(step, metrics)
        figures = {f"val/{name}": getattr(metrics, name) for name in ("mAP", "AP50")}
        trainer.logger.log_metrics({name: value for name, value in figures.items() if value is not None}, step)
        if (metrics.mAP or 0) >= (self.metrics.get("mAP") or 0):
            self.metrics = metrics.to_json()
            stream = io.BytesIO()  # torch.save to a full disk gives a RuntimeError that does not say so
            detector = module.detector
            weights = {"model": detector.name, "classes": list(self.val.classes), "detector": detector.state_dict()}
            torch.save({"step": step, **weights}, stream)
            files.write_bytes(self.best_weights, stream.getvalue())
        self.evaluated = step
        self.save(trainer)

    def save(self, trainer: lightning.Trainer) -> None:
        """Write the checkpoint that training goes on from, whole or not at all."""
        with files.replacing(self.last_checkpoint) as temporary:
            trainer.save_checkpoint(temporary)
        self._saved_at = time.monotonic()

    def _measure(self, module: TrainingModule) -> Metrics:
        module.eval()
        inference = Inference(module.detector, module.device)

        def raw(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            self.interruption.leave()
            return inference.raw(pixels)

        results = native.predict_split(self.val, raw, detections, Thresholds().for_evaluation())
        module.train()
        return evaluation.evaluate(self.val, results)
