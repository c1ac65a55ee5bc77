"""An archive from an address, as it is: what is in it is the import's matter."""

from __future__ import annotations

import zipfile
from pathlib import Path
from urllib.parse import urlsplit

from isomer.dataset import archives
from isomer.dataset.download import hosts
from isomer.dataset.download.fetched import Fetched, Request, link_or_copy
from isomer.dataset.download.taking import parts_of
from isomer.fetching import published
from isomer.fetching.errors import FetchError, Problem, shown
from isomer.fetching.fetcher import Fetcher, check_address

MAGIC = {b"PK\x03\x04": ".zip", b"\x1f\x8b": ".tar.gz", b"BZh": ".tar.bz2", b"\xfd7zXZ": ".tar.xz"}
TAR_MAGIC, TAR_AT = b"ustar", 257


def fetch(fetcher: Fetcher, request: Request, folder: Path, url: str, name: str) -> Fetched:
    """Fetch an archive, and put it into `folder` under a name that says what kind it is.

    Raises:
        UserError: the address or --split is none; FetchError: the archive cannot be had, or it is none.
    """
    check_address("--url", url)
    _, shares = parts_of(request.split, ())
    expected = published.parse_sha256(request.sha256) if request.sha256 else None
    place = fetcher.fetch(url, expected)
    suffix = suffix_of(place)
    if suffix is None:
        raise FetchError(url, place, Problem("is no archive (zip, tar, tar.gz, tar.bz2, tar.xz)", "other file"))
    stem = Path(urlsplit(url).path).name or "archive"
    # an archive's own name may say nothing (a link to download it) or something else than it is
    path = folder / (stem if archives.is_archive(place) and stem.lower().endswith(suffix) else f"{stem}{suffix}")
    link_or_copy(place, path)
    return Fetched(path, name, (shown(url),), shares=shares, classes=request.classes, limit=request.limit)


def fetch_penn_fudan(fetcher: Fetcher, request: Request, folder: Path) -> Fetched:
    """Penn-Fudan's pedestrians: 170 pictures in one archive of 54 MB."""
    return fetch(fetcher, request, folder, hosts.PENN_FUDAN, "Penn-Fudan pedestrians")


def suffix_of(path: Path) -> str | None:
    """What an archive's name ends with, by what it begins with."""
    with path.open("rb") as stream:
        head = stream.read(TAR_AT + len(TAR_MAGIC))
    if head[TAR_AT:] == TAR_MAGIC:
        return ".tar"
    found = next((suffix for magic, suffix in MAGIC.items() if head.startswith(magic)), None)
    return ".zip" if found is None and zipfile.is_zipfile(path) else found
