"""What a host says of a file beside its bytes: length, checksum, version; and whether it is a web page instead."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import requests

from isomer.errors import UserError
from isomer.fetching.errors import FetchError, Problem


@dataclass(frozen=True)
class Checksum:
    """A hash of a whole file, or where no more is published its first digits, in hexadecimal; algorithm: `md5` or
    `sha256`."""

    algorithm: str
    value: str


def parse_sha256(text: str) -> Checksum:
    """What `--sha256` gives.

    Raises:
        UserError: it is no SHA-256.
    """
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise UserError(f"--sha256 {text}: a SHA-256 is 64 hexadecimal digits")
    return Checksum("sha256", text.lower())


def total(response: requests.Response) -> int | None:
    """The length of the whole file in bytes, if the host says it."""
    ranged = re.search(r"/(\d+)$", response.headers.get("Content-Range", ""))
    if ranged:
        return int(ranged[1])
    length = response.headers.get("Content-Length", "")
    return int(length) if response.status_code == 200 and length.isdigit() else None


def start(response: requests.Response) -> int | None:
    """Where the part begins that was sent."""
    ranged = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(ranged[1]) if ranged else None


def checksum(response: requests.Response) -> Checksum | None:
    """The MD5 that Google's and Amazon's storage give with a file; Amazon's only of what was put there in one piece."""
    google = re.search(r"\bmd5=([\w+/=]+)", response.headers.get("x-goog-hash", ""))
    if google:
        try:
            return Checksum("md5", base64.b64decode(google[1]).hex())
        except binascii.Error:
            return None
    amazon = re.fullmatch(r'"([0-9a-f]{32})"', response.headers.get("ETag", ""))
    return Checksum("md5", amazon[1]) if amazon and response.headers.get("Server") == "AmazonS3" else None


def mark(response: requests.Response) -> str | None:
    """What tells one version of a file from another, for If-Range."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")


def is_web_page(head: bytes) -> bool:
    """Whether a file that begins so is HTML."""
    return re.match(rb"(\xef\xbb\xbf)?\s*(<!--.*?-->\s*)*<(!doctype html|html|head)\b", head, re.I | re.S) is not None


def check(url: str, place: Path, path: Path, expected: Checksum) -> None:
    """Compare a file with what was published of it.

    Raises:
        FetchError: it is another.
    """
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, expected.algorithm).hexdigest()
    if not found.startswith(expected.value):
        name = {"md5": "MD5", "sha256": "SHA-256"}[expected.algorithm]
        kind = "other file" if path == place else "damaged"
        rest = "" if len(expected.value) == len(found) else "…"
        raise FetchError(url, place, Problem(f"has {name} {found}, not {expected.value}{rest}", kind))
