"""Checkpoints that a run goes on from: everything that training has changed, written whole."""

from __future__ import annotations

import re
import tempfile
import time
from pathlib import Path

import tensorflow as tf

from isomer.run import RunFolder
from isomer.training import CHECKPOINT_SECONDS

NAME = re.compile(r"ckpt-(\d+)")


class Checkpoints:
    """The run's last `keep` checkpoints.

    TensorFlow writes new files under other names, then their list, by renaming: a kill leaves the list as it was.
    In a cluster all processes must save, for some variables live in all of them; all but the first write to nowhere.
    """

    def __init__(self, run: RunFolder, what: tf.train.Checkpoint, step: tf.Variable, keep: int, writes: bool) -> None:
        self._folder, self._what, self._step, self._writes = run.checkpoints, what, step, writes
        self._elsewhere = None if writes else tempfile.TemporaryDirectory()
        folder = run.checkpoints if writes else Path(self._elsewhere.name)
        self._manager = tf.train.CheckpointManager(what, str(folder), max_to_keep=keep)
        self._saved_at = time.monotonic()
        if writes:
            self._tidy()

    @staticmethod
    def latest_of(run: RunFolder) -> int:
        """The step of a run's last checkpoint; 0 where there is none."""
        found = tf.train.latest_checkpoint(str(run.checkpoints))
        return int(NAME.fullmatch(Path(found).name)[1]) if found else 0

    @property
    def latest(self) -> Path | None:
        found = tf.train.latest_checkpoint(str(self._folder))
        return None if found is None else Path(found)

    def restore(self) -> int:
        """Go back to the last checkpoint, if there is one; the step it was made at, or 0."""
        if self.latest is None:
            return 0
        # the optimizer's variables are not there before its first step: they are filled when it makes them
        self._what.restore(str(self.latest)).assert_existing_objects_matched()
        return int(self._step.numpy())

    @property
    def is_due(self) -> bool:
        return time.monotonic() - self._saved_at >= CHECKPOINT_SECONDS

    def save(self) -> None:
        """Write a checkpoint unless the last one is of this step."""
        step = int(self._step.numpy())
        latest = self._manager.latest_checkpoint
        if latest is None or Path(latest).name != f"ckpt-{step}":
            self._manager.save(checkpoint_number=step)
        self._saved_at = time.monotonic()

    def close(self) -> None:
        """Remove what a process that writes to nowhere has written."""
        if self._elsewhere:
            self._elsewhere.cleanup()

    def _tidy(self) -> None:
        """Remove what a kill in the middle of writing has left behind."""
        listed = {Path(one).name for one in self._manager.checkpoints}
        for path in self._folder.glob("ckpt-*"):
            if path.is_file() and path.name.split(".")[0] not in listed:
                path.unlink()
