"""Batches of training pictures, for each of the processes that train together its share."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import lightning
from cluster import Place
from data import TrainingPictures
from torch.utils.data import DataLoader, Sampler

from isomer.interruption import patience
from isomer.training import Plan

# CPython 3.11 may leave a process locked that was forked while another thread began or ended: it never reads anything
STUCK_SECONDS = 300
STUCK = "DataLoader timed out"  # what torch says of it
GRACE_SECONDS = 2  # that a loader outlives its parent's patience after SIGTERM


class Loading(lightning.LightningDataModule):
    """The batches that are still to come, in one Lightning epoch that is the whole run.

    A step's pictures are divided over the processes, and a process's share into `accumulate` batches.
    """

    def __init__(self, pictures: TrainingPictures, plan: Plan, place: Place, accumulate: int, workers: int) -> None:
        super().__init__()
        self.pictures, self.plan, self.place, self.workers = pictures, plan, place, workers
        self.share = plan.batch // place.world
        self.batch = self.share // accumulate

    def train_dataloader(self) -> DataLoader:
        return DataLoader(
            self.pictures,
            self.batch,
            sampler=Positions(self.trainer.global_step, self.plan, self.place.rank, self.share),
            num_workers=self.workers,
            worker_init_fn=_leave_signals_to_the_parent,
            timeout=STUCK_SECONDS if self.workers else 0,
            pin_memory=self.trainer.strategy.root_device.type == "cuda",
        )

    def names(self, step: int) -> list[str]:
        """File names of all pictures of a step (from 1), over all processes."""
        first = (step - 1) * self.plan.batch
        return [self.pictures.name(position) for position in range(first, first + self.plan.batch)]


class Positions(Sampler):
    """The positions of a stream that are still to come for one process; its length counts those behind too, as
    Lightning expects."""

    def __init__(self, first_step: int, plan: Plan, rank: int, share: int) -> None:
        self.first_step, self.plan, self.rank, self.share = first_step, plan, rank, share

    def __iter__(self) -> Iterator[int]:
        for step in range(self.first_step, self.plan.steps):
            start = step * self.plan.batch + self.rank * self.share
            yield from range(start, start + self.share)

    def __len__(self) -> int:
        return self.plan.steps * self.share


def _leave_signals_to_the_parent(_: int) -> None:
    """Signals reach all processes: Ctrl-C the terminal's group, SIGTERM those of a Slurm job. A loader that dies of it
    would take the last step with it; the parent ends its loaders when that is saved."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # SIGALRM ends it, if nobody else has by then
    signal.signal(signal.SIGTERM, lambda *_: signal.alarm(int(patience()) + GRACE_SECONDS))
