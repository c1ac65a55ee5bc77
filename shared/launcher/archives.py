"""`./inv build --archive FOLDER`: the built images as files that clusters' container runtimes take.

isomer-IMAGE-HASH.tar     what `docker save` writes: Apptainer makes its own image of it, others load it
isomer-IMAGE-HASH.sqsh    a squashfs of its files: what enroot runs, and so pyxis; Apptainer runs it as it is, too

HASH is that of the files in the repository that an image is built from, so that an archive of other files is known.
"""

from __future__ import annotations

import io
import shlex
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from isomer import files
from isomer.errors import UserError
from isomer.progress import Bar, say
from launcher import project
from launcher.checkup.folders import free, nearest
from launcher.engines import docker

TAR, SQUASH = ".tar", ".sqsh"
MAKE_SQUASH = "mksquashfs"
CHUNK = 4_000_000  # bytes
SQUASHED = 0.75  # of an image's size, at most: CUDA's libraries hardly shrink
LEFT_OUT = ("dev/", "proc/", "sys/", ".dockerenv")  # the runtime's own
# What enroot runs: https://github.com/NVIDIA/enroot/blob/master/doc/image-format.md
START = """\
mkdir -p "{folder}" 2> /dev/null
cd "{folder}" && unset OLDPWD || exit 1
if [ $# -gt 0 ]; then
    exec "$@"
fi
exec /bin/sh
"""


def name(image: str, suffix: str) -> str:
    """The name of the archive of an image as its files are now."""
    return f"isomer-{image}-{project.inputs_sha256(image, base='')[:12]}{suffix}"


def write(image: str, folder: Path) -> None:
    """Write the archives of an image that are not in the folder yet, each whole or not at all.

    The image is built first, where it is missing or stale.

    Raises:
        UserError: too little room, or docker or mksquashfs failed.
    """
    makers = {TAR: _save, SQUASH: _squash}
    if not shutil.which(MAKE_SQUASH):
        del makers[SQUASH]
        say(f"no squashfs, which pyxis needs: there is no {MAKE_SQUASH} here (Debian: apt-get install squashfs-tools)")
    paths = {suffix: folder / name(image, suffix) for suffix in makers}
    missing = [suffix for suffix, path in paths.items() if not path.is_file()]
    for suffix, path in paths.items():
        if suffix not in missing:
            say(f"{path} is there")
    if missing:
        docker.prepare(image)
        size = docker.built(image).attrs["Size"]
        _check_room(folder, image, size, missing)
        for suffix in missing:
            _write(paths[suffix], image, size, makers[suffix])
    for path in others(image, folder):
        say(f"{path} is of other files than those here: remove it when no job needs it")


def others(image: str, folder: Path) -> list[Path]:
    """Archives of an image that were made of other files than those here."""
    now = name(image, "")
    return sorted(path for path in folder.glob(f"isomer-{image}-*") if path.name.partition(".")[0] != now)


def _check_room(folder: Path, image: str, size: int, missing: list[str]) -> None:
    needed = sum({TAR: size, SQUASH: size * SQUASHED}[suffix] for suffix in missing)
    if TAR in missing and folder.stat().st_dev == nearest(docker.place()).stat().st_dev:
        needed += size  # which `docker save` keeps meanwhile
    if free(folder) < needed / 1e9:
        raise UserError(
            f"--archive {folder}: {free(folder):.1f} GB are free there, and writing the archives of {image} may need "
            f"{needed / 1e9:.1f} GB"
        )


def _write(path: Path, image: str, size: int, make: Callable[[str, Path, Bar], None]) -> None:
    begun = time.monotonic()
    try:
        with files.replacing(path) as temporary, Bar(path.name, round(size / 1e6), "MB") as bar:
            make(image, temporary, bar)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from None
    say(f"{path}: {path.stat().st_size / 1e9:.2f} GB in {time.monotonic() - begun:.0f} s")


def _save(image: str, path: Path, bar: Bar) -> None:
    """As `docker save` has it, with the image's name."""
    with _said_by("docker", "save", docker.image_tag(image)) as stream, path.open("wb") as target:
        shutil.copyfileobj(_Counted(stream, bar), target, CHUNK)


def _squash(image: str, path: Path, bar: Bar) -> None:
    """The image's files as a squashfs, with what the runtimes read of it."""
    path.unlink()  # to mksquashfs a file that is there is an image to be added to
    made = docker.client().containers.create(docker.image_tag(image))
    config = made.image.attrs["Config"]
    try:
        with _said_by("docker", "export", made.id) as stream, _squashing(path) as target:
            _copy(_Counted(stream, bar), target, _settings(config))
    finally:
        made.remove()


def _copy(source: _Counted, target: IO[bytes], added: dict[str, str]) -> None:
    """Copy a tar stream, without what is the runtime's own, with files of ours instead of those of their names."""
    with tarfile.open(fileobj=source, mode="r|") as old, tarfile.open(fileobj=target, mode="w|") as new:
        for member in old:
            own = member.name.removeprefix("./")
            if own in added or own.startswith(LEFT_OUT):
                continue
            # who unpacks it as himself must be able to read and to remove it
            member.mode |= 0o700 if member.isdir() else 0o600
            new.addfile(member, old.extractfile(member) if member.isreg() else None)
        for path, text in added.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(text.encode()), 0o755 if path.endswith(("rc", ".sh")) else 0o644
            new.addfile(member, io.BytesIO(text.encode()))


def _settings(config: dict[str, Any]) -> dict[str, str]:
    """An image's environment, folder and labels, in the files that enroot reads, and Apptainer."""
    variables = [line.partition("=") for line in config["Env"]]
    labels = "".join(f"# {key} {value}\n" for key, value in (config.get("Labels") or {}).items())
    return {
        "etc/environment": "".join(f"{line}\n" for line in config["Env"]),
        "etc/rc": labels + START.format(folder=config.get("WorkingDir") or "/"),
        "etc/fstab": "",
        ".singularity.d/env/10-image.sh": "".join(
            f"export {key}={shlex.quote(value)}\n" for key, _, value in variables if key != "HOME"
        ),
    }


class _Counted:
    """A stream that moves a bar of megabytes as it is read, whose total is a little off."""

    def __init__(self, stream: IO[bytes], bar: Bar) -> None:
        self._stream, self._bar, self._bytes = stream, bar, 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._bytes += len(data)
        if more := min(self._bytes // 1_000_000, self._bar.total) - self._bar.done:
            self._bar.advance(more)
        return data


@contextmanager
def _squashing(path: Path) -> Iterator[IO[bytes]]:
    """A tar stream that becomes a squashfs."""
    # -all-root: who unpacks it becomes the owner, as enroot wants it
    line = (MAKE_SQUASH, "-", str(path), "-tar", "-all-root", "-no-progress", "-quiet")
    with _program(line, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
        yield child.stdin
        child.stdin.close()


@contextmanager
def _said_by(*argv: str) -> Iterator[IO[bytes]]:
    """What a program writes."""
    with _program(argv, stdout=subprocess.PIPE) as child:
        yield child.stdout


@contextmanager
def _program(argv: tuple[str, ...], **streams: int) -> Iterator[subprocess.Popen]:
    """A program that ends with the block: well, or with its own words in an error, or killed."""
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(argv, stderr=errors, **streams)
        failure = None
        try:
            try:
                yield child
            except (BrokenPipeError, tarfile.TarError) as error:
                failure = error  # of which the program knows the reason
            if child.wait() != 0:
                errors.seek(0)
                lines = errors.read().decode(errors="replace").split("\n")
                said = next((line for line in reversed(lines) if line.strip()), "it does not say why")
                raise UserError(f"{' '.join(argv[:2])} failed: {said}") from failure
            if failure:
                raise failure
        finally:
            child.kill()
            child.wait()
