"""Many pictures at a time, each fetched, seen to open, and kept; those that cannot be had are named."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from isomer import progress
from isomer.dataset import pictures
from isomer.dataset.pictures import PictureError
from isomer.errors import UserError
from isomer.fetching.errors import FetchError
from isomer.fetching.fetcher import Fetcher

DRAFT = (64, 64)  # a JPEG is decoded at an eighth, which reads all of its data
LOST = 20  # pictures in a row that the host did not give: it will not give the next


@dataclass
class Pictures:
    """Where each picture is, by its name; why others could not be had; how many were here already."""

    places: dict[str, Path] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    known: int = 0


def fetch_pictures(fetcher: Fetcher, addresses: Mapping[str, str], jobs: int) -> Pictures:
    """Fetch pictures, `jobs` at a time; `addresses` by the pictures' names.

    Raises:
        UserError: the host gives no pictures any more, or the disk is full.
    """
    found = Pictures()
    missing: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[str, Path | Exception]] = queue.SimpleQueue()
    for name, url in addresses.items():
        if (place := fetcher.place(url)).is_file():
            found.places[name] = place
        else:
            missing.put((name, url))
    found.known = len(found.places)

    def work() -> None:
        while True:
            try:
                name, url = missing.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((name, _fetch(fetcher, url)))
            except Exception as error:  # it belongs to whoever waits
                done.put((name, error))

    count = len(addresses) - found.known
    for _ in range(min(jobs, count)):
        # Ctrl-C does not wait for them: what they have written is gone on with
        threading.Thread(target=work, daemon=True).start()
    lost = 0
    for _ in progress.track(range(count), "fetch pictures", "pictures"):
        name, result = done.get()
        lost = lost + 1 if isinstance(result, FetchError) else 0
        if lost >= LOST:
            raise UserError(f"{lost} pictures in a row could not be had, the last: {result}")
        if isinstance(result, Exception) and not isinstance(result, FetchError | PictureError):
            raise result
        if isinstance(result, FetchError):
            found.problems[name] = result.problem.reason
        elif isinstance(result, PictureError):
            found.problems[name] = str(result)
        else:
            found.places[name] = result
    return found


def _fetch(fetcher: Fetcher, url: str) -> Path:
    place = fetcher.fetch(url, shown=False)
    try:
        with pictures.opened(place) as image:
            image.draft("RGB", DRAFT)
            image.load()
    except PictureError:
        # nobody could go on with it, and the next time it may come whole
        place.unlink(missing_ok=True)
        raise
    return place
