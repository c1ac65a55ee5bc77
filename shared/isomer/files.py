"""Files that are written whole or not at all (temporary file, fsync, rename), and their hashes."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def sha256_of_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def to_json(value: Any) -> str:
    """The one way this project writes JSON: readable, key order as given, byte-identical each time."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_bytes(path: Path, data: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    write_text(path, to_json(value))


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files for their owner alone; a data volume's files follow the umask
        temporary.chmod(0o666 & ~_umask())
        _fsync(temporary)
        temporary.replace(path)
        _fsync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path` that takes its place when the block ends without an error.

    Old and new change places in one step where the file system can do that. Where not, the old one steps aside first
    and comes back if the second rename fails; a process killed between the two leaves it under `.NAME.*.part.old`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary, lock = _temporary_folder(path)
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if not path.exists():
            temporary.rename(path)
        elif not _exchange(temporary, path):
            old = path.rename(temporary.with_name(f"{temporary.name}.old"))
            try:
                temporary.rename(path)
            except BaseException:
                old.rename(path)
                raise
            shutil.rmtree(old, ignore_errors=True)
        _fsync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        os.close(lock)


def _temporary_folder(path: Path) -> tuple[Path, int]:
    """A new folder beside `path`, and a handle that locks it; those whose process was killed are removed.

    A lock ends with its process, whatever ended that. The parent is locked meanwhile, so that a folder just made is
    not taken for one left behind.
    """
    parent = os.open(path.parent, os.O_RDONLY)
    try:
        can_lock = _lock(parent, wait=True)
        for left in path.parent.glob(f".{path.name}.*.part") if can_lock else ():
            handle = os.open(left, os.O_RDONLY)
            if _lock(handle, wait=False):
                shutil.rmtree(left, ignore_errors=True)
            os.close(handle)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
        lock = os.open(temporary, os.O_RDONLY)
        _lock(lock, wait=False)
        return temporary, lock
    finally:
        os.close(parent)


def _lock(handle: int, *, wait: bool) -> bool:
    """Take the lock of an open file or folder; False if another process has it, or the file system knows no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _exchange(one: Path, other: Path) -> bool:
    """Let two paths change places in one step (Linux's renameat2); False where that cannot be done."""
    at_current_folder, exchange = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of <fcntl.h> and <linux/fs.h>
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    return rename is not None and not rename(
        at_current_folder, os.fsencode(one), at_current_folder, os.fsencode(other), exchange
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
