"""Unpacking archives from anywhere: nothing is written outside the folder given, and nothing without a limit.

An archive that tries to leave the folder, or to fill the disk, is refused as a whole; links and devices in it are left
out and named.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from isomer.dataset.source import LeftOut
from isomer.errors import UserError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
MOST_FILES = 5_000_000
MOST_BYTES = 1 << 40
MOST_RATIO = 200  # bytes out of a byte of the archive; text and masks reach 20 to 50, bombs 1000
FREE_OF_RATIO = 32 << 20  # bytes that no ratio is asked of: small bombs do no harm
LEAST_FREE = 256 << 20  # bytes of the disk that are left alone
BLOCK = 1 << 20
PADDING = 64 << 20  # bytes behind a tar's last member that are read at most
COMPRESSIONS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
# what names in an archive can ask for and a file system cannot give: one name for a file and a folder, or too long ones
IMPOSSIBLE = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)


@dataclass(frozen=True)
class Member:
    """A file in an archive; open: a function to its content; problem: why it is not unpacked."""

    name: str
    open: Callable[[], IO[bytes]]
    problem: str = ""


def is_archive(path: Path) -> bool:
    return path.is_file() and path.name.lower().endswith(SUFFIXES)


def unpack(path: Path, folder: Path) -> list[LeftOut]:
    """Unpack an archive into a folder; returns what of it was left out.

    Raises:
        UserError: the file is no archive, is damaged or encrypted, has a member outside the folder, or is a bomb.
    """
    folder.mkdir(parents=True)
    allowed = min(MOST_BYTES, shutil.disk_usage(folder).free - LEAST_FREE)
    most = min(allowed, max(FREE_OF_RATIO, path.stat().st_size * MOST_RATIO))
    left_out: list[LeftOut] = []
    written = 0
    try:
        for count, member in enumerate(_members(path), start=1):
            if count > MOST_FILES:
                raise UserError(f"{path} holds more than {MOST_FILES} files, the limit for an archive")
            target = folder / _inside(path, member.name)
            if member.problem:
                left_out.append(LeftOut("file", member.problem, member.name.encode("utf-8", "replace").decode()))
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with member.open() as source, target.open("wb") as output:
                while block := source.read(BLOCK):
                    written += len(block)
                    if written > most:
                        raise UserError(_too_much(path, most, allowed))
                    output.write(block)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError) as error:
        raise UserError(f"{path} cannot be unpacked: {error or 'it is damaged'}") from None
    except OSError as error:
        if error.errno is not None and error.errno not in IMPOSSIBLE:
            raise
        raise UserError(f"{path} cannot be unpacked: {error}") from None
    return left_out


def _members(path: Path) -> Iterator[Member]:
    if path.name.lower().endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            yield from (_zip_member(path, archive, item) for item in archive.infolist() if not item.is_dir())
    else:
        with _decompressed(path) as stream:
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                yield from (_tar_member(archive, item) for item in archive if not item.isdir())
            # the checksum stands behind the padding; a stream that was cut says so here
            for _ in range(PADDING // BLOCK):
                if not stream.read(BLOCK):
                    break


def _decompressed(path: Path) -> IO[bytes]:
    """The content of a file that may be compressed, by what it begins with."""
    with path.open("rb") as stream:
        head = stream.read(6)
    opener = next((opener for magic, opener in COMPRESSIONS.items() if head.startswith(magic)), Path.open)
    return opener(path, "rb")


def _zip_member(path: Path, archive: zipfile.ZipFile, item: zipfile.ZipInfo) -> Member:
    if item.flag_bits & 0x1:
        raise UserError(f"{path} is encrypted: unpack it yourself and give the folder")
    kind = stat.S_IFMT(item.external_attr >> 16)
    problem = "" if kind in (0, stat.S_IFREG) else "is a link" if kind == stat.S_IFLNK else "is a special file"
    name = item.filename
    if not item.flag_bits & 0x800:  # no promise of UTF-8: Python has taken it for cp437, and many programs lie
        try:
            name = name.encode("cp437").decode()
        except UnicodeError:
            name = item.filename
    return Member(name, lambda: archive.open(item), problem)


def _tar_member(archive: tarfile.TarFile, item: tarfile.TarInfo) -> Member:
    def opened() -> IO[bytes]:
        return archive.extractfile(item)

    problem = "" if item.isreg() else "is a link" if item.issym() or item.islnk() else "is a special file"
    return Member(item.name, opened, problem)


def _inside(path: Path, name: str) -> PurePosixPath:
    """A member's name as a relative path.

    Raises:
        UserError: it is none, or leads out of its folder.
    """
    parts = [part for part in re.split(r"[\\/]+", name) if part not in ("", ".")]
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[\\/]", name) or ".." in parts or not parts or "\0" in name:
        raise UserError(f"{path} is not safe to unpack: its member {name!r} leads outside the folder")
    return PurePosixPath(*parts)


def _too_much(path: Path, most: int, allowed: int) -> str:
    if most == allowed:
        return f"{path} unpacks to more than the disk has room for ({allowed >> 20} MiB): free some space"
    return (
        f"{path} unpacks to more than {MOST_RATIO} times its size, as no dataset does: if you trust it, unpack it "
        "yourself and give the folder"
    )
