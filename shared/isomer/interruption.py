"""Ctrl-C and SIGTERM during training: they wait for the end of a step, so that it can be saved.

A step that takes too long is given up: who sent the signal kills after ten seconds (Slurm after thirty, its KillWait),
and the last checkpoint is a minute old at most. After that SIGTERM, with which schedulers and container engines take a
machine back, has been obeyed as asked: exit code 0. A run that is not at its end says so in run.json. Ctrl-C is a
person's, and ends as shells count it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

from isomer.errors import EXIT_INTERRUPTED, GOES_ON
from isomer.progress import say

EXIT_CODES = {signal.SIGINT: EXIT_INTERRUPTED, signal.SIGTERM: 0}
PATIENCE_SECONDS = 8.0  # of the ten that a signal leaves
SLURM_PATIENCE_SECONDS = 25.0  # of thirty
# in which a SIGTERM is the one before: Slurm sends it to all processes, and a container's starter passes its own on
REPEATED_SECONDS = 1.0


def patience() -> float:
    """Seconds that a step may still take after a signal."""
    return SLURM_PATIENCE_SECONDS if "SLURM_JOB_ID" in os.environ else PATIENCE_SECONDS


class Interruption:
    """A context manager: inside, the first signal only sets `requested`, a second one leaves at once."""

    def __init__(self) -> None:
        self.exit_code: int | None = None
        self._before: dict = {}
        self._at_once = False
        self._first = 0.0  # when this process was sent a signal
        self._patience: threading.Timer | None = None

    @property
    def requested(self) -> bool:
        return self.exit_code is not None

    def leave(self) -> None:
        """End the program if a signal came; for a place where nothing is half done."""
        if self.requested:
            say(GOES_ON)
            sys.exit(self.exit_code)

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Inside, a signal ends the program where it is: nothing is half done there that could be saved."""
        before, self._at_once = self._at_once, True
        try:
            self.leave()
            yield
        finally:
            self._at_once = before

    def request(self, exit_code: int) -> None:
        """Another process of the same run was asked to stop."""
        self.exit_code = exit_code if self.exit_code is None else self.exit_code

    def install(self) -> None:
        """Take the signals; once more where a framework has taken them meanwhile."""
        for number in EXIT_CODES:
            signal.signal(number, self._handle)

    def __enter__(self) -> Interruption:
        self._before = {number: signal.getsignal(number) for number in EXIT_CODES}
        self.install()
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._patience:
            self._patience.cancel()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._first = self._first or time.monotonic()
        if self.requested:
            if number == signal.SIGTERM and time.monotonic() - self._first < REPEATED_SECONDS:
                return
            sys.exit(self.exit_code)
        self.exit_code = EXIT_CODES[signal.Signals(number)]
        if self._at_once:
            self.leave()
        say("stopping after this step; once more stops at once")
        self._patience = threading.Timer(patience(), self._give_up)
        self._patience.daemon = True
        self._patience.start()

    def _give_up(self) -> None:
        say(f"the step is given up after {patience():g} s: the same command goes on from the last checkpoint")
        os._exit(self.exit_code or 0)
