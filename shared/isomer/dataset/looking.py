"""Looking at a source's pictures, in several processes where they are many: each is read once, and decoded to the end.

A JPEG is decoded at an eighth of its size, which reads all of its data and takes a fraction of the time.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from isomer import progress
from isomer.dataset import alike, pictures
from isomer.dataset.pictures import Header, PictureError, PictureSource
from isomer.errors import UserError

T = TypeVar("T")

CHUNK = 200  # pictures that a process takes at a time
MANY = 1000  # pictures from which on processes are worth their start, half a second each
DRAFT = (64, 64)  # pixels that a JPEG's draft has at least


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of one picture. problem: why it cannot be used; without one, the others are there.

    sha256: of its bytes as they are; fingerprint: of what it shows, see `alike`.
    """

    problem: str = ""
    header: Header | None = None
    sha256: str = ""
    fingerprint: bytes = b""


def look_at_all(sources: Sequence[PictureSource]) -> Iterator[Look]:
    """What is seen of each picture, in their order."""
    return in_processes(look_at, sources)


def in_processes(look: Callable[[PictureSource], T], sources: Sequence[PictureSource]) -> Iterator[T]:
    """What a function makes of each picture, in their order.

    Raises:
        UserError: a process that looks was killed, as a machine does when its memory runs out.
    """
    cores = len(os.sched_getaffinity(0))
    if cores < 2 or len(sources) < MANY:
        yield from progress.track(map(look, sources), "look at pictures", "pictures", total=len(sources))
        return
    # not forked: a bar on a terminal has a thread of its own
    pool = ProcessPoolExecutor(cores, multiprocessing.get_context("spawn"), _live_with_parent)
    try:
        yield from progress.track(
            pool.map(look, sources, chunksize=CHUNK), "look at pictures", "pictures", total=len(sources)
        )
    except BrokenProcessPool:
        raise UserError(
            "a process that looks at pictures was killed: is the memory full? Try again with less else running"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def look_at(source: PictureSource) -> Look:
    """Read and decode one picture."""
    try:
        header = pictures.inspect(source)
        with pictures.opened(source) as image:
            image.draft("L", DRAFT)
            image.load()
            fingerprint = alike.fingerprint(image)
        data = source.read_bytes() if isinstance(source, Path) else source()
    except PictureError as error:
        return Look(str(error))
    except OSError as error:
        return Look(f"cannot be read ({error.strerror})")
    return Look("", header, hashlib.sha256(data).hexdigest(), fingerprint)


def _live_with_parent() -> None:
    """Leave Ctrl-C to the parent, and end with it however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
