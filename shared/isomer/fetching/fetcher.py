"""One file from a host into the data volume: it goes on where it stopped, and is there only when it is whole and right.

A file's place is downloads/HOST/PATH unless the caller has another, and until it is whole the same with `.part` behind
it. What somebody puts there by hand is taken as if it had been fetched.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from isomer.errors import UserError
from isomer.fetching import published
from isomer.fetching.errors import FetchError, Problem, of_request
from isomer.fetching.published import Checksum
from isomer.fetching.transfer import BLOCK, Patience, Transfer, part_of

AGENT = "isomer"
LONGEST_ASKED = 60  # seconds that a host's Retry-After is followed
LONGEST_NAME = 200
TRY_AGAIN = (408, 429, 500, 502, 503, 504)


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
            words[-1] = f"{hashlib.sha256(url.encode()).hexdigest()[:8]}-{words[-1][-LONGEST_NAME:]}"
        host = parts.netloc.rpartition("@")[2].replace(":", "_")
        return self.cache.joinpath(host, *(word[-LONGEST_NAME - 9 :] for word in words))

    def fetch(
        self, url: str, checksum: Checksum | None = None, *, place: Path | None = None, shown: bool = True
    ) -> Path:
        """The file of an address, fetched if it is not here; place: where it is kept; shown: with a bar.

        Raises:
            FetchError: it cannot be had, or is not what was published.
        """
        place = place or self.place(url)
        for _ in self._arriving(url, place, checksum, shown=shown):
            pass
        return place

    def lines(self, url: str) -> Iterator[str]:
        """The lines of a text file, while it is fetched: who has enough stops, and the rest is not fetched."""
        place, rest, offset = self.place(url), b"", 0
        arriving = self._arriving(url, place, None, followed=True)
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
        self, url: str, place: Path, checksum: Checksum | None, *, shown: bool = True, followed: bool = False
    ) -> Iterator[Path]:
        """Fetch a file, and say whenever there is more of it, and where; followed: somebody reads it meanwhile.

        Stopped early, it leaves what it has, and another goes on from there.
        """
        part = part_of(place)
        if not place.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            with _locked(part) as stream:
                if place.is_file():  # another process was at the same file
                    part.unlink(missing_ok=True)
                else:
                    transfer = Transfer(
                        url, place, stream, self.ask, self.patience, checksum, shown=shown, followed=followed
                    )
                    yield from transfer.run()
                    return
        if checksum:
            published.check(url, place, place, checksum)
        yield place

    def ask(self, url: str, place: Path, headers: dict[str, str]) -> requests.Response:
        """The host's answer about a file for this place, its body still to be read."""
        patience = self.patience
        try:
            return self._session.get(
                self._address(url), headers=headers, stream=True, timeout=(patience.connect, patience.silence)
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise FetchError(url, place, of_request(url, error, patience.silence)) from None

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
                try:
                    yield stream
                finally:
                    status = os.fstat(stream.fileno())
                    if status.st_nlink and not status.st_size:
                        part.unlink(missing_ok=True)
                return


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
