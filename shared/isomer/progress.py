"""Progress of long work: a bar with rate and time left on a terminal, plain lines in a log."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from isomer.manners import is_quiet

T = TypeVar("T")

LOG_SECONDS = 10.0  # between two plain lines
VARIABLE = "ISOMER_LOG_SECONDS"  # says otherwise, where somebody follows the log
PLAIN = re.compile(r"(?P<what>\S.*): (?P<done>\d+)/(?P<total>\d+) (?P<unit>\S*)  (?P<rate>[\d.]+)/s  \d+ s left")


def say(text: str) -> None:
    """One line for the person who watches, at once even through a pipe."""
    print(text, flush=True)


class Bar:
    """A bar of `total` units on a terminal; in a log, a line now and then and one at the end. None: nobody knows.

    Use as a context manager; `advance(n, text)` moves it, `text` stands behind the rate (a loss, say).
    """

    def __init__(self, what: str, total: int | None, unit: str = "", done: int = 0) -> None:
        self.what, self.total, self.unit, self.done = what, total, unit, done
        self._first = done
        self._start = self._last = time.monotonic()
        self._progress: Progress | None = None
        if sys.stdout.isatty() and not is_quiet():
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[text]}"),
                console=Console(file=sys.stdout),
            )
            self._task = self._progress.add_task(what, total=total, completed=done, rate="", text="")

    def __enter__(self) -> Bar:
        if self._progress:
            self._progress.start()
        return self

    def __exit__(self, *_) -> None:
        if self._progress:
            self._progress.stop()

    @property
    def rate(self) -> float:
        """Units a second since the start."""
        return (self.done - self._first) / max(time.monotonic() - self._start, 1e-9)

    def advance(self, count: int = 1, text: str = "") -> None:
        self.done += count
        if self._progress:
            self._progress.update(self._task, completed=self.done, rate=f"{self.rate:.1f} {self.unit}/s", text=text)
        elif self._is_done or time.monotonic() - self._last >= float(os.environ.get(VARIABLE, LOG_SECONDS)):
            self._last = time.monotonic()
            if is_quiet():
                return
            say("  ".join(word for word in (*self._words(), text) if word))

    @property
    def _is_done(self) -> bool:
        return self.total is not None and self.done >= self.total

    def _words(self) -> list[str]:
        """How far it is, for a log."""
        if self.total is None:
            return [f"{self.what}: {self.done} {self.unit}", f"{self.rate:.1f}/s"]
        left = max(self.total - self.done, 0) / max(self.rate, 1e-9)
        return [f"{self.what}: {self.done}/{self.total} {self.unit}", f"{self.rate:.1f}/s", f"{left:.0f} s left"]


def track(items: Sequence[T] | Iterable[T], what: str, unit: str = "", total: int | None = None) -> Iterator[T]:
    """Yield the items, showing how far they are."""
    with Bar(what, len(items) if total is None else total, unit) as bar:
        for item in items:
            yield item
            bar.advance()


class Line:
    """Lines of another machine's log, shown here: on a terminal its progress stays in one place."""

    def __init__(self) -> None:
        self._in_place = False

    def show(self, text: str) -> None:
        if not sys.stdout.isatty():
            say(text)
            return
        moves = PLAIN.match(text) is not None
        if moves:
            text = text[: shutil.get_terminal_size().columns - 1]
        start = "\r\x1b[K" if self._in_place else ""
        print(f"{start}{text}", end="" if moves else "\n", flush=True)
        self._in_place = moves
