"""What is behind an address, if FFmpeg cannot read it from there: a picture, or a video of a host without ranges."""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import requests
from picture import decoded
from urllib3.exceptions import HTTPError
from video import SILENCE_SECONDS, Frame

from isomer import progress
from isomer.errors import UserError
from isomer.fetching.errors import of_request, of_status, shown

MOST_BYTES = 200_000_000  # of a picture
FILES = ("video/", "application/octet-stream")  # how their Content-Type begins; a playlist's does not


def fetch(url: str, scratch: Path) -> Frame | IO[bytes] | None:
    """The picture at an address, or its video as a file that goes when it is closed; None if it is for FFmpeg.

    An MP4 whose index comes last can only be read in ranges, which simple hosts do not send.

    Args:
        scratch: folder that a video is kept in meanwhile.

    Raises:
        UserError: nobody answers, the answer is no or a web page, or the picture cannot be read.
    """
    if not url.lower().startswith(("http://", "https://")):
        return None
    try:
        with requests.get(url, stream=True, timeout=SILENCE_SECONDS) as answer:
            if not answer.ok:
                raise UserError(f"--source {shown(url)} {of_status(answer).reason}")
            kind = answer.headers.get("Content-Type", "")
            if kind.startswith("text/html"):
                raise UserError(f"--source {shown(url)} is a web page: give the address of its picture or video")
            if kind.startswith("image/"):
                data = answer.raw.read(MOST_BYTES, decode_content=True)
            elif (
                kind.startswith(FILES)
                and "Content-Length" in answer.headers
                and answer.headers.get("Accept-Ranges", "none") == "none"
            ):
                return _file(answer, scratch)
            else:
                return None
    except (requests.RequestException, HTTPError, OSError) as error:
        raise UserError(f"--source {shown(url)} {of_request(url, error, SILENCE_SECONDS).reason}") from None
    return Frame(0, Path(urlsplit(url).path).name or "picture", decoded(io.BytesIO(data), f"--source {shown(url)}"))


def _file(answer: requests.Response, scratch: Path) -> IO[bytes]:
    """All that comes; of a connection that is cut, the part that came: the video then ends in the middle."""
    size = int(answer.headers["Content-Length"])
    progress.say(f"fetching all {size / 1e6:.1f} MB first: this host sends no ranges")
    scratch.mkdir(parents=True, exist_ok=True)
    stream = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 (closed by the video)
    with contextlib.suppress(HTTPError):
        shutil.copyfileobj(answer.raw, stream)
    stream.seek(0)
    return stream
