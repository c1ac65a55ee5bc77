"""The checkpoints that a run goes on from: checkpoints/step-STEP.ckpt, each whole or not there."""

from __future__ import annotations

from pathlib import Path

import lightning

from isomer import files
from isomer.run import RunFolder


class Checkpoints:
    """A run's checkpoints, of which the newest `keep` stay."""

    def __init__(self, run: RunFolder, keep: int) -> None:
        self.folder, self.keep = run.checkpoints, keep

    def all(self) -> list[Path]:
        """Oldest first."""
        return sorted(self.folder.glob("step-*.ckpt"), key=step_of)

    def newest(self) -> Path | None:
        return next(iter(reversed(self.all())), None)

    def write(self, trainer: lightning.Trainer) -> None:
        """Save all that training goes on from. Every process calls it, one writes."""
        path = self.folder / f"step-{trainer.global_step:08}.ckpt"
        if not trainer.is_global_zero:
            trainer.save_checkpoint(path)
            return
        with files.replacing(path) as temporary:
            trainer.save_checkpoint(temporary)
        for old in self.all()[: -self.keep]:
            old.unlink()


def step_of(path: Path) -> int:
    """The steps that a checkpoint has behind it, as its name says."""
    return int(path.stem.removeprefix("step-"))
