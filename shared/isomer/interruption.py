"""Ctrl-C and SIGTERM during training: they wait for the end of a step, so that it can be saved."""

from __future__ import annotations

import signal
import sys
from types import FrameType

from isomer.errors import EXIT_INTERRUPTED, EXIT_TERMINATED
from isomer.progress import say

EXIT_CODES = {signal.SIGINT: EXIT_INTERRUPTED, signal.SIGTERM: EXIT_TERMINATED}


class Interruption:
    """A context manager: inside, the first signal only sets `requested`, a second one leaves at once."""

    def __init__(self) -> None:
        self.exit_code: int | None = None
        self._before: dict = {}

    @property
    def requested(self) -> bool:
        return self.exit_code is not None

    def leave(self) -> None:
        """End the program if a signal came; for a place where nothing is half done."""
        if self.requested:
            say("interrupted: what was finished is kept; the same command goes on from there")
            sys.exit(self.exit_code)

    def __enter__(self) -> Interruption:
        self._before = {number: signal.signal(number, self._handle) for number in EXIT_CODES}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            sys.exit(self.exit_code)
        self.exit_code = EXIT_CODES[signal.Signals(number)]
        say("stopping after this step; once more stops at once")
