"""A picture that is behind an address; what else is there is for FFmpeg."""

from __future__ import annotations

import io
from pathlib import Path
from urllib.parse import urlsplit

import requests
from picture import decoded
from video import SILENCE_SECONDS, Frame

from isomer.errors import UserError
from isomer.fetching.errors import of_request, of_status, shown

MOST_BYTES = 200_000_000  # of a picture


def picture_of(url: str) -> Frame | None:
    """The picture at an address; None where it answers with something else, or is not of the web.

    Raises:
        UserError: nobody answers, the answer is no, or the picture cannot be read.
    """
    if not url.lower().startswith(("http://", "https://")):
        return None
    try:
        with requests.get(url, stream=True, timeout=SILENCE_SECONDS) as answer:
            if not answer.ok:
                raise UserError(f"--source {shown(url)} {of_status(answer).reason}")
            if not answer.headers.get("Content-Type", "").startswith("image/"):
                return None
            data = answer.raw.read(MOST_BYTES, decode_content=True)
    except (requests.RequestException, OSError) as error:
        raise UserError(f"--source {shown(url)} {of_request(url, error, SILENCE_SECONDS).reason}") from None
    return Frame(0, Path(urlsplit(url).path).name or "picture", decoded(io.BytesIO(data), f"--source {shown(url)}"))
