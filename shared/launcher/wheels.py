"""What the wheels of a locked set hold, read without downloading them: the end of a zip file lists it all."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from isomer import files
from isomer.errors import UserError
from launcher import project

CACHE = project.STATE / "wheels"
TAIL = 1 << 16  # the directory of most wheels is shorter
READERS = 16


@dataclass(frozen=True)
class Wheel:
    """One locked wheel."""

    package: str
    version: str
    url: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        return f"{self.package} {self.version}"


@dataclass(frozen=True)
class Content:
    """What tells whether two files are the same: their length and checksum, as the zip file's directory has them."""

    size: int
    crc: int


def locked(image: str) -> list[Wheel]:
    """The wheels that uv would install from an image's lock, on the index that uv is configured for.

    Raises:
        UserError: the index cannot be reached.
    """
    uv = str(Path(sys.executable).parent / "uv")
    command = [uv, "pip", "compile", "--quiet", "--no-deps", "--format", "pylock.toml", "--python-version", "3.11"]
    # to standard output, without the header that names files
    done = subprocess.run(
        [*command, "--no-header", str(project.lock_of(image))], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise UserError(f"uv cannot find the locked wheels of {image}: {done.stderr.strip()}")
    found = []
    for package in tomllib.loads(done.stdout)["packages"]:
        for wheel in package.get("wheels", ())[:1]:  # uv names the one that fits; a package may have none
            hashed = wheel["hashes"]["sha256"]
            found.append(Wheel(package["name"], package["version"], wheel["url"], wheel["size"], hashed))
    return found


def contents(wheels: list[Wheel]) -> list[dict[str, Content]]:
    """For each wheel, the files it installs below site-packages."""
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(_content, wheels))


def _content(wheel: Wheel) -> dict[str, Content]:
    """From the cache, named by the wheel's hash; else from its index."""
    cached = CACHE / f"{wheel.sha256}.json"
    if not cached.is_file():
        try:
            with zipfile.ZipFile(io.BufferedReader(Remote(wheel.url, wheel.size), TAIL)) as archive:
                infos = [info for info in archive.infolist() if not info.is_dir()]
        except (OSError, urllib.error.URLError, zipfile.BadZipFile) as error:
            raise UserError(f"cannot read the directory of {wheel.url}: {error}") from None
        files.write_json(cached, {_installed(info.filename): [info.file_size, info.CRC] for info in infos})
    return {path: Content(*value) for path, value in json.loads(cached.read_text()).items()}


def _installed(path: str) -> str:
    """`x-1.data/purelib/a.py` is installed as `a.py`."""
    parts = path.split("/")
    if parts[0].endswith(".data") and len(parts) > 2 and parts[1] in ("purelib", "platlib"):
        return "/".join(parts[2:])
    return path


class Remote(io.RawIOBase):
    """A file on a web server that can be read in parts, by range requests."""

    def __init__(self, url: str, size: int) -> None:
        self._url, self._size, self._at = url, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer) -> int:
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        asked = urllib.request.Request(self._url, headers={"Range": f"bytes={self._at}-{self._at + wanted - 1}"})
        with urllib.request.urlopen(asked, timeout=60) as answer:
            if answer.status != 206:
                raise OSError("the server does not answer range requests")
            data = answer.read()
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
