"""What `--source` names, opened: pictures, or a video."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from fetched import fetch
from picture import decoded, is_one
from video import USUAL_RATE, Frame, Video

from isomer import feeds
from isomer.errors import UserError
from isomer.fetching.errors import shown
from isomer.predicting import sources


class Feed(Protocol):
    """Pictures or a video; `isomer.video.Video` says what the attributes are."""

    name: str
    is_video: bool
    live: bool
    rate: float
    total: int | None
    problems: list[str]

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None: ...


class Pictures:
    """The pictures of a folder, or one; those that cannot be read come without pixels."""

    is_video = live = False
    rate = USUAL_RATE

    def __init__(self, name: str, paths: list[Path]) -> None:
        self.name, self.problems = name, list[str]()
        self._paths, self.total = paths, len(paths)

    def __iter__(self) -> Iterator[Frame]:
        for index, path in enumerate(self._paths):
            try:
                yield Frame(index, path.name, decoded(path, str(path)))
            except UserError as error:
                yield Frame(index, path.name, None, problem=str(error))

    def close(self) -> None:
        pass


class Fetched:
    """A picture that an address answered with."""

    is_video = live = False
    rate, total = USUAL_RATE, 1

    def __init__(self, name: str, frame: Frame) -> None:
        self.name, self.problems, self._frame = name, list[str](), frame

    def __iter__(self) -> Iterator[Frame]:
        yield self._frame

    def close(self) -> None:
        pass


def open_feed(word: str, scratch: Path) -> Feed:
    """Open what `--source` names.

    Args:
        scratch: folder for files that are needed only meanwhile.

    Raises:
        UserError: it is not there, holds nothing, or does not answer.
    """
    device = feeds.camera(word)
    if device is not None:
        feeds.require_camera(device)
        return Video(str(device), str(device), camera=True)
    if feeds.is_address(word):
        got = fetch(word, scratch)
        if isinstance(got, Frame):
            return Fetched(got.name, got)
        return Video(got, shown(word)) if got else Video(word, shown(word), address=True)
    path = Path(word)
    if not path.exists():
        raise UserError(f"--source {word}: there is no such file or folder")
    if path.is_dir() or is_one(path):
        return Pictures(path.name, [one.path for one in sources(None, path)])
    return Video(str(path), path.name)


def name_of(word: str) -> str:
    """A word for `--source` that is fit for a folder's name: of a file its name, of an address the host."""
    device = feeds.camera(word)
    if device is not None:
        return f"camera{device.name.removeprefix(feeds.CAMERA)}"
    if feeds.is_address(word):
        parts = urlsplit(word)
        word = f"{parts.hostname}-{Path(parts.path).stem}"
    else:
        path = Path(word).resolve()
        word = path.name if path.is_dir() else path.stem
    return plain(word) or "source"


def plain(word: str) -> str:
    """A word as it may be in a folder's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", word).strip(".-_")
