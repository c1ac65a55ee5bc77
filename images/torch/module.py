"""The detector as Lightning trains it: data stream, loss, optimizer and schedule."""

from __future__ import annotations

import signal

import lightning
import torch
from data import Positions, TrainingPictures
from models.base import Detector
from recipe import Recipe
from torch import Tensor
from torch.utils.data import DataLoader

from isomer.training import Plan


class TrainingModule(lightning.LightningModule):
    """A detector, the pictures it learns from, and the recipe."""

    def __init__(
        self, detector: Detector, pictures: TrainingPictures, plan: Plan, recipe: Recipe, workers: int
    ) -> None:
        super().__init__()
        # depthwise convolutions are a third faster with the channels last
        self.detector = detector.to(memory_format=torch.channels_last)
        self.pictures, self.plan, self.recipe, self.workers = pictures, plan, recipe, workers

    def train_dataloader(self) -> DataLoader:
        """The batches that are still to come, in one Lightning epoch that is the whole run."""
        batch = self.plan.batch
        return DataLoader(
            self.pictures,
            batch,
            sampler=Positions(self.trainer.global_step * batch, self.plan.steps * batch),
            num_workers=self.workers,
            worker_init_fn=_leave_signals_to_the_parent,
            pin_memory=self.trainer.strategy.root_device.type == "cuda",
        )

    def training_step(self, batch: tuple[Tensor, ...], _: int) -> Tensor:
        images, *targets = batch
        outputs = self.detector(images.contiguous(memory_format=torch.channels_last))
        return self.detector.loss(tuple(one.float() for one in outputs), tuple(targets)).value()

    def configure_optimizers(self) -> dict:
        # biases and batch norms are not decayed: small ones are no simpler than large ones
        decayed = [weight for weight in self.parameters() if weight.ndim > 1]
        free = [weight for weight in self.parameters() if weight.ndim <= 1]
        optimizer = torch.optim.AdamW(
            [{"params": decayed}, {"params": free, "weight_decay": 0.0}],
            lr=self.recipe.lr,
            weight_decay=self.recipe.weight_decay,
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=self.recipe.lr,
            total_steps=self.plan.steps + 1,  # Lightning takes one more step of the schedule than of the optimizer
            pct_start=self.recipe.warmup,
            cycle_momentum=False,
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _leave_signals_to_the_parent(_: int) -> None:
    """Ctrl-C reaches the whole process group; a loader that dies of it would take the last step with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
