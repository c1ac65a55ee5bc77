"""The disks: the engine's room, who may write the data volume, and what kind of disk that is on."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from launcher import project
from launcher.checkup import NOTE, WARNING, Finding, World

# Environments and images unpacked, with what is downloaded for them: measured, rounded up
NEEDED_GB = {"docker": 40, "venv": 15}
PROBE_MB = 8
SLOW_MB_S = 20.0  # a USB stick's; a laptop's disk has hundreds
REMOTE = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "lustre", "virtiofs")
CLOCK_SECONDS = 2.0
FREE_GB = 2.0  # a run's checkpoints and what is exported of it


def find_disk(world: World) -> Iterator[Finding]:
    """Less room than what must be made yet takes."""
    if world.engine not in NEEDED_GB or not world.is_usable:
        return
    missing = [name for name in project.images() if not world.module.is_ready(name)]
    there, needed = free(world.module.place()), NEEDED_GB[world.engine]
    if missing and there < needed:
        sentence = f"{', '.join(missing)} must be made yet and may need {needed} GB; {there:.0f} GB are free"
        yield Finding("disk-low", WARNING, sentence, "./inv clean    # says what can be removed")


def find_volume(world: World) -> Iterator[Finding]:
    """A volume, or a folder in it, that this user cannot write."""
    folder = nearest(world.data)
    if not _may_write(folder):
        owner = "owned by root" if folder.stat().st_uid == 0 else f"owned by user {folder.stat().st_uid}"
        sentence = f"the data volume cannot be written: {folder} is {owner}, you are user {os.geteuid()}"
        yield world.failure("volume-not-writable", sentence, own(folder))
        return
    for inner in _folders(world.data):
        if inner.stat().st_uid == 0 and os.geteuid() != 0 and not _may_write(inner):
            sentence = f"{inner} belongs to root, and steps run as you"
            yield world.failure("volume-owned-by-root", sentence, own(world.data))
            return


def find_disk_kind(world: World) -> Iterator[Finding]:
    """A file system that takes Mask.png for mask.png, is slow, is nearly full, or has a clock of its own."""
    folder = nearest(world.data)
    if not _may_write(folder):
        return
    with tempfile.TemporaryDirectory(prefix=".doctor-", dir=folder) as name:
        probe = Path(name)
        (probe / "case").write_text("")
        if (probe / "CASE").exists():
            sentence = f"{folder} takes names that differ in case alone for one: files may overwrite each other"
            yield Finding("volume-case-insensitive", WARNING, sentence, "export ISOMER_DATA=~/isomer-data")
        before = time.time()
        seconds = _write(probe / "speed")
        ahead = (probe / "speed").stat().st_mtime - (before + seconds)
        if abs(ahead) > CLOCK_SECONDS + seconds:
            sentence = f"files in {folder} are dated {abs(ahead):.0f} s {'after' if ahead > 0 else 'before'} this clock"
            yield Finding("clock-skew", WARNING, sentence, "sudo timedatectl set-ntp true    # on both machines")
    kind = file_system(world, folder)
    if PROBE_MB / seconds < SLOW_MB_S:
        sentence = f"the data volume writes {PROBE_MB / seconds:.0f} MB/s ({kind}); pictures will be waited for"
        yield Finding("volume-slow", WARNING, sentence, "export ISOMER_DATA=~/isomer-data    # on a local disk")
    elif kind in REMOTE:
        sentence = f"the data volume is on another machine ({kind}): `--cache memory` spares its line"
        yield Finding("volume-remote", NOTE, sentence, "export ISOMER_DATA=~/isomer-data    # on a local disk")
    if free(folder) < FREE_GB:
        sentence = f"{free(folder):.1f} GB are free on the data volume's disk; a run may need {FREE_GB:g}"
        yield world.failure("volume-full", sentence, "./inv clean    # says what can be removed")


def nearest(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return path if path.exists() else nearest(path.parent)


def free(path: Path) -> float:
    """GB free on the disk of a path, there already or not."""
    return shutil.disk_usage(nearest(path)).free / 1e9


def _may_write(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=True)


def own(folder: Path) -> str:
    """The command that makes a folder the caller's."""
    return f'sudo chown -R "$(id -u):$(id -g)" {folder}    # or: export ISOMER_DATA=ANOTHER-FOLDER'


def file_system(world: World, folder: Path) -> str:
    """The kind of file system a folder lies on, as /proc/mounts calls it."""
    mounts = [line.split()[1:3] for line in (world.proc / "mounts").read_text().splitlines()]
    around = [(place, kind) for place, kind in mounts if folder.is_relative_to(place.replace("\\040", " "))]
    return max(around, key=lambda mount: len(mount[0]))[1] if around else "unknown"


def _folders(data: Path) -> Iterator[Path]:
    """The volume's folders, and those in them."""
    if data.is_dir():
        yield data
    for pattern in ("*", "*/*"):
        yield from (path for path in data.glob(pattern) if path.is_dir() and not path.is_symlink())


def _write(path: Path) -> float:
    """Seconds that it takes until so many MB are on the disk."""
    start = time.monotonic()
    with path.open("wb") as stream:
        stream.write(bytes(PROBE_MB * 1_000_000))
        stream.flush()
        os.fsync(stream.fileno())
    return max(time.monotonic() - start, 1e-6)
