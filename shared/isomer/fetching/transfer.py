"""One file on its way: asked for again until all of it has come, and then held against what was published of it."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import requests
import urllib3

from isomer import progress
from isomer.errors import UserError
from isomer.fetching import published
from isomer.fetching.errors import FetchError, Problem, of_request, of_status
from isomer.fetching.published import Checksum

BLOCK = 1 << 18
LEAST_FREE = 256 << 20  # bytes of the disk that are left alone
MEGABYTE = 10**6
Ask = Callable[[str, Path, dict[str, str]], requests.Response]


@dataclass(frozen=True)
class Patience:
    """How long a host is waited for. Times in seconds.

    attempts: after the first, as long as they bring nothing new; connects: the same for a host that is not reached at
    all; backoff: before the second of them, doubled each time; silence: without a byte; slowness: in which at least
    `least` bytes must come.
    """

    attempts: int = 5
    connects: int = 3
    backoff: float = 1.0
    connect: float = 10.0
    silence: float = 30.0
    slowness: float = 60.0
    least: int = 10_000

    def pause(self, attempt: int) -> float:
        return self.backoff * 2 ** (attempt - 1)


def part_of(place: Path) -> Path:
    """Where a file is until it is whole."""
    return place.with_name(f"{place.name}.part")


class Transfer:
    """One file on its way, into a `.part` that may hold its beginning already."""

    def __init__(
        self,
        url: str,
        place: Path,
        stream: FileIO,
        ask: Ask,
        patience: Patience,
        checksum: Checksum | None,
        *,
        shown: bool,
        followed: bool,
    ) -> None:
        self.url, self.place, self.stream, self.ask, self.patience = url, place, stream, ask, patience
        self.checksum, self.shown, self.followed = checksum, shown, followed
        self.part = part_of(place)
        self.total: int | None = None
        self.bar: progress.Bar | None = None
        # what version of the file the beginning is of
        self.mark = self.part.with_name(f"{self.part.name}.mark")

    def run(self) -> Iterator[Path]:
        if self.have and self.followed:
            yield self.part
        with contextlib.ExitStack() as stack:
            first = furthest = self.have
            attempt = 0
            while True:
                try:
                    problem = yield from self._attempt(stack)
                except FetchError as error:
                    if error.problem.kind != "away" or self.have == first:
                        raise
                    problem = error.problem  # a network that was there comes back
                if problem is None:
                    break
                attempt = 1 if self.have > furthest else attempt + 1
                furthest = max(furthest, self.have)
                if attempt > self.patience.attempts:
                    raise FetchError(self.url, self.place, problem)
                pause = self.patience.pause(attempt)
                if self.shown:
                    progress.say(f"{self.place.name}: the host {problem.reason}; asking again in {pause:g} s")
                time.sleep(pause)
        self._finish()
        yield self.place

    @property
    def have(self) -> int:
        return self.part.stat().st_size

    def _attempt(self, stack: contextlib.ExitStack) -> Generator[Path, None, Problem | None]:
        """Ask once for what is missing; returns what went wrong, None if all is here."""
        headers = {}
        known = self.mark.read_text() if self.have and self.mark.is_file() else None
        if self.have:
            headers = {"Range": f"bytes={self.have}-", **({"If-Range": known} if known else {})}
        with self.ask(self.url, self.place, headers) as response:
            self.total = published.total(response)
            if response.status_code == 416:
                if self.total == self.have:
                    return None
                self._empty()
                return Problem("has not the part that was asked for")
            if not response.ok:
                raise FetchError(self.url, self.place, of_status(response))
            mark = published.mark(response)
            changed = known is not None and mark != known
            goes_on = response.status_code == 206 and published.start(response) == self.have and not changed
            if self.have and not goes_on:
                self._empty()
                if changed and self.followed:
                    raise FetchError(self.url, self.place, Problem("changed while it was read"))
                if response.status_code == 206:
                    return Problem("sent another part than it was asked for")
            self.checksum = self.checksum or published.checksum(response)
            if mark:
                self.mark.write_text(mark)
            self._make_room(stack)
            problem = yield from self._read(response)
        if self.total is not None and self.have > self.total:
            self._empty()
            return Problem("sent more than it said")
        if problem is None and self.total is not None and self.have < self.total:
            problem = Problem(f"cut the connection at {self.have} of {self.total} bytes")
        return problem

    def _make_room(self, stack: contextlib.ExitStack) -> None:
        """See that the rest has room on the disk, and show a bar for it."""
        missing = (self.total or 0) - self.have
        free = shutil.disk_usage(self.part.parent).free - LEAST_FREE
        if missing > free:
            raise UserError(
                f"{self.place.name} needs {missing // MEGABYTE} MB more, and the data volume has room for "
                f"{max(free, 0) // MEGABYTE} MB: free some space and run the same command again"
            )
        if self.shown and self.bar is None and self.total:
            megabytes = max(1, self.total // MEGABYTE)
            done = min(megabytes, self.have // MEGABYTE)
            self.bar = stack.enter_context(progress.Bar(f"fetch {self.place.name}", megabytes, "MB", done))

    def _read(self, response: requests.Response) -> Generator[Path, None, Problem | None]:
        """Write what comes; returns what went wrong."""
        patience = self.patience
        since, count = time.monotonic(), 0
        while True:
            try:
                # read1 gives what is there: read would wait for a whole block from a host that dribbles
                block = response.raw.read1(BLOCK, decode_content=False)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                return of_request(self.url, error, patience.silence, self.have, self.total)
            if not block:
                return None
            if self.have == 0 and published.is_web_page(block):
                self._forget()
                raise FetchError(self.url, self.place, Problem("gave a web page instead of the file", "page"))
            self.stream.write(block)
            self._show()
            yield self.part
            count += len(block)
            if time.monotonic() - since > patience.slowness:
                if count < patience.least:
                    return Problem(f"sent only {count} bytes in {patience.slowness:g} s")
                since, count = time.monotonic(), 0

    def _show(self) -> None:
        if self.bar:
            now = min(self.bar.total, max(self.have // MEGABYTE, int(self.have == self.total)))
            if now > self.bar.done:
                self.bar.advance(now - self.bar.done)

    def _empty(self) -> None:
        self.stream.truncate(0)
        self.mark.unlink(missing_ok=True)

    def _finish(self) -> None:
        if self.have == 0:
            self._forget()
            raise FetchError(self.url, self.place, Problem("is empty"))
        if self.checksum:
            try:
                published.check(self.url, self.place, self.part, self.checksum)
            except FetchError:
                self._forget()
                raise
        self.part.rename(self.place)
        self.mark.unlink(missing_ok=True)

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.mark.unlink(missing_ok=True)
