"""A process that trains a run: only one does at a time, and how it ended stays in run.json. Standard library only."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from types import TracebackType

from isomer.errors import ProcessLost, UserError
from isomer.run import RunFolder

LOCK = ".lock"  # in the run's folder; the lock on it ends with its process, whatever ended that
JOB = "SLURM_JOB_ID"
JOB_PATIENCE = 30.0  # seconds that a job waits for a run that another process has
RUNNING, INTERRUPTED, FAILED, DONE = "running", "interrupted", "failed", "done"
CONVERTED = "converted"  # never trained here: a model made elsewhere


class Session:
    """A context manager around the training of a run to `steps`.

    Raises:
        UserError: another process is training the run.
    """

    def __init__(self, run: RunFolder, steps: int) -> None:
        self.run, self.steps = run, steps

    def __enter__(self) -> Session:
        self._lock = (self.run.path / LOCK).open("w")
        try:
            self._take()
        except BlockingIOError:
            self._lock.close()
            raise UserError(
                f"run {self.run.name!r} is being trained by another process; wait for it, or give --run another name"
            ) from None
        except OSError:
            pass  # a file system without locks
        else:
            for left in self.run.checkpoints.glob(".*.part"):  # of one that was killed while it wrote
                left.unlink()
        self.run.update(state=RUNNING, planned_steps=self.steps, problem=None)
        return self

    def _take(self) -> None:
        """Lock the run. A job that is started again may be there before its last process, on another node, has gone."""
        deadline = time.monotonic() + (JOB_PATIENCE if JOB in os.environ else 0)
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.5)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is not None:
            was_asked = issubclass(kind, SystemExit | KeyboardInterrupt)
            # a full disk may be why it ended
            with contextlib.suppress(OSError):
                self.run.update(
                    state=INTERRUPTED if was_asked or issubclass(kind, ProcessLost) else FAILED,
                    problem=None if was_asked else str(error) or kind.__name__,
                )
        with contextlib.suppress(OSError):
            fcntl.flock(self._lock, fcntl.LOCK_UN)  # processes that read pictures have the file open too
        self._lock.close()


def state(run: RunFolder) -> str:
    """What becomes of a run: `running`, `interrupted` (asked to stop, or killed), `failed`, `done`; or
    `converted`."""
    said = run.record().get("state", INTERRUPTED)
    if said in (DONE, FAILED, CONVERTED):
        return said
    return RUNNING if _is_locked(run) else INTERRUPTED


def _is_locked(run: RunFolder) -> bool:
    try:
        with (run.path / LOCK).open() as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
