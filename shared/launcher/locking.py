"""Letting one process at a time do something, on whatever machines that share a file system: a file that only one of
them can make.

Kernel locks (flock) are refused by some shared file systems, and by others kept to a machine of their own (Lustre and
NFS, by their mount options), which nothing tells. To make a file that must not be there is atomic on all of them.
Its owner lets it look new every few seconds; one that has not done so for long was killed, and its file is taken over.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

BEAT_SECONDS = 5.0  # between two signs of life
DEAD_SECONDS = 60.0  # without one: its owner is gone
LOOK_SECONDS = 0.2
NOBODY = ("", 0.0)
SETTLE_SECONDS = 1.0  # after taking over: another one may have, at the same time


@contextlib.contextmanager
def only_one(path: Path, what: str) -> Iterator[None]:
    """Inside, no other process is inside with the same path.

    Args:
        what: the other one does, for those who wait.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    own = _owner()
    _take(path, own, what)
    ended = threading.Event()
    beat = threading.Thread(target=_beat, args=(path, own, ended), daemon=True)
    beat.start()
    try:
        yield
    finally:
        ended.set()
        beat.join()
        if _read(path)[0] == own:
            path.unlink(missing_ok=True)


def _owner() -> str:
    """This process and thread; numbers of processes mean something on one machine, in one container."""
    space = os.stat("/proc/self/ns/pid").st_ino if Path("/proc/self/ns/pid").exists() else 0  # noqa: PTH116 (a link)
    return f"{socket.gethostname()} {space} {os.getpid()} {threading.get_ident()} {time.time_ns()}"


def _take(path: Path, own: str, what: str) -> None:
    seen, since, said = NOBODY, time.monotonic(), False
    while True:
        now = _read(path)
        if now == NOBODY and _make(path, own):
            return
        if now != seen:
            seen, since = now, time.monotonic()
        is_dead = _is_dead(now[0]) or time.monotonic() - since > DEAD_SECONDS
        if now != NOBODY and is_dead and _take_over(path, own, now):
            return
        if not said:
            said = True
            where = now[0].partition(" ")[0] or "elsewhere"
            print(f"waiting for another launcher that {what} ({where}) …", flush=True)
        time.sleep(LOOK_SECONDS)


def _make(path: Path, own: str) -> bool:
    """Make the file, with its owner in it from the first moment on; False if it is there."""
    draft = _draft(path, own)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        return _make_open(path, own)
    finally:
        draft.unlink(missing_ok=True)
    return True


def _make_open(path: Path, own: str) -> bool:
    try:
        with path.open("x") as stream:
            stream.write(own)
    except FileExistsError:
        return False
    return True


def _draft(path: Path, own: str) -> Path:
    draft = path.with_name(f"{path.name}.{own.replace(' ', '-')}")
    draft.write_text(own)
    return draft


def _take_over(path: Path, own: str, seen: tuple[str, float]) -> bool:
    """Put this process in a dead one's place; of several that do so, the last one has it."""
    if _read(path) != seen:
        return False
    _draft(path, own).replace(path)
    time.sleep(SETTLE_SECONDS)
    return _read(path)[0] == own


def _read(path: Path) -> tuple[str, float]:
    """The owner and its last sign of life; opened, because NFS believes for a while what it knows of a closed file."""
    try:
        with path.open() as stream:
            return stream.read(), os.fstat(stream.fileno()).st_mtime
    except OSError:
        return NOBODY


def _is_dead(owner: str) -> bool:
    """Whether the owner is known to be gone: a process of this machine, and there is none of that number."""
    words = owner.split()
    if len(words) < 3 or words[:2] != _owner().split()[:2] or not words[2].isdecimal():
        return False
    try:
        os.kill(int(words[2]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def _beat(path: Path, own: str, ended: threading.Event) -> None:
    while not ended.wait(BEAT_SECONDS):
        if _read(path)[0] == own:
            with contextlib.suppress(OSError):
                os.utime(path)
