"""One file from a host into the data volume: it goes on where it stopped, and is there only when it is whole and right.

A file's place is downloads/HOST/PATH, and until it is whole the same with `.part` behind it. What somebody puts there
by hand is taken as if it had been fetched.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from isomer import progress
from isomer.dataset.download import published
from isomer.dataset.download.errors import FetchError, Problem, of_request, of_status
from isomer.dataset.download.published import Checksum
from isomer.errors import UserError

BLOCK = 1 << 18
LEAST_FREE = 256 << 20  # bytes of the disk that are left alone
MEGABYTE = 10**6
AGENT = "isomer (data-download)"
LONGEST_ASKED = 60  # seconds that a host's Retry-After is followed
TRY_AGAIN = (408, 429, 500, 502, 503, 504)


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


class Fetcher:
    """Fetches files into `cache`; `mirror` is the address of a folder that holds them as HOST/PATH, asked instead."""

    def __init__(self, cache: Path, mirror: str | None = None, patience: Patience | None = None, jobs: int = 1) -> None:
        self.cache, self.mirror = cache, mirror
        self.patience = patience or Patience()
        if mirror:
            check_address("--mirror", mirror)
        retry = Retry(
            total=self.patience.attempts,
            connect=self.patience.connects,
            backoff_factor=self.patience.backoff,
            status_forcelist=TRY_AGAIN,
            raise_on_status=False,
            retry_after_max=LONGEST_ASKED,
        )
        self._session = requests.Session()
        # compressed on the way, a file would have another length and could not be gone on with
        self._session.headers.update({"User-Agent": AGENT, "Accept-Encoding": "identity"})
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=jobs, max_retries=retry))

    def place(self, url: str) -> Path:
        """Where the file of an address is kept."""
        parts = urlsplit(url)
        words = [word for word in parts.path.split("/") if word not in ("", ".", "..")] or ["index"]
        # an address may differ from another by its query alone, or name as a file what for another is a folder
        if parts.query or "." not in words[-1]:
            words[-1] = f"{hashlib.sha256(url.encode()).hexdigest()[:8]}-{words[-1]}"
        return self.cache.joinpath(parts.netloc.rpartition("@")[2].replace(":", "_"), *(word[-200:] for word in words))

    def fetch(self, url: str, checksum: Checksum | None = None, *, shown: bool = True) -> Path:
        """The file of an address, fetched if it is not here; shown: with a bar.

        Raises:
            FetchError: it cannot be had, or is not what was published.
        """
        for _ in self._arriving(url, checksum, shown=shown):
            pass
        return self.place(url)

    def lines(self, url: str) -> Iterator[str]:
        """The lines of a text file, while it is fetched: who has enough stops, and the rest is not fetched."""
        arriving = self._arriving(url, None, followed=True)
        place, rest, offset = self.place(url), b"", 0
        with contextlib.closing(arriving):
            for there in arriving:
                with there.open("rb") as stream:
                    stream.seek(offset)
                    while block := stream.read(BLOCK):
                        offset += len(block)
                        *whole, rest = (rest + block).split(b"\n")
                        yield from (line.decode("utf-8", "replace").rstrip("\r") for line in whole)
            if rest:
                yield rest.decode("utf-8", "replace")
        if not offset:
            raise FetchError(url, place, Problem("is empty"))

    def _arriving(
        self, url: str, checksum: Checksum | None, *, shown: bool = True, followed: bool = False
    ) -> Iterator[Path]:
        """Fetch a file, and say whenever there is more of it, and where; followed: somebody reads it meanwhile.

        Stopped early, it leaves what it has, and another goes on from there.
        """
        place = self.place(url)
        part = place.with_name(f"{place.name}.part")
        if not place.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            with _locked(part) as stream:
                if place.is_file():  # another process was at the same file
                    part.unlink(missing_ok=True)
                else:
                    yield from _Transfer(self, url, stream, part, checksum, shown, followed).run()
                    return
        if checksum:
            published.check(url, place, place, checksum)
        yield place

    def ask(self, url: str, headers: dict[str, str]) -> requests.Response:
        """The host's answer, its body still to be read."""
        patience = self.patience
        try:
            return self._session.get(
                self._address(url), headers=headers, stream=True, timeout=(patience.connect, patience.silence)
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise FetchError(url, self.place(url), of_request(url, error, patience.silence)) from None

    def _address(self, url: str) -> str:
        if not self.mirror:
            return url
        parts = urlsplit(url)
        return f"{self.mirror.rstrip('/')}/{parts.netloc}{parts.path}"


@contextlib.contextmanager
def _locked(part: Path) -> Iterator[FileIO]:
    """The beginning of a file, open to be gone on with by one process at a time; the lock ends with its process."""
    while True:
        with part.open("ab", buffering=0) as stream:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(stream, fcntl.LOCK_EX)
            # who had the lock may have thrown this file away, or given it its name
            if os.fstat(stream.fileno()).st_nlink:
                yield stream
                return


class _Transfer:
    """One file on its way, into a `.part` that may hold its beginning already."""

    def __init__(
        self,
        fetcher: Fetcher,
        url: str,
        stream: FileIO,
        part: Path,
        checksum: Checksum | None,
        shown: bool,
        followed: bool,
    ) -> None:
        self.fetcher, self.url, self.stream, self.part = fetcher, url, stream, part
        self.place = fetcher.place(url)
        self.checksum, self.shown, self.followed = checksum, shown, followed
        self.total: int | None = None
        self.bar: progress.Bar | None = None
        # what version of the file the beginning is of
        self.mark = part.with_name(f"{part.name}.mark")

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
                if attempt > self.fetcher.patience.attempts:
                    raise FetchError(self.url, self.place, problem)
                pause = self.fetcher.patience.pause(attempt)
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
        with self.fetcher.ask(self.url, headers) as response:
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
        patience = self.fetcher.patience
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


def check_address(flag: str, url: str) -> None:
    """Refuse what is no http or https address.

    Raises:
        UserError: it names the flag.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", url):
        raise UserError(
            f"{flag} {url}: give an address that begins with http:// or https://; a file that is here already is for "
            "data-import"
        )
