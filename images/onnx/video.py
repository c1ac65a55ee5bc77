"""Frames of a video file, a camera or a stream, as they come.

https://pyav.basswood-io.com/docs/stable/
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import av
import numpy as np
from av.error import FFmpegError

from isomer.errors import UserError

SILENCE_SECONDS = 10.0  # that an address may take to answer, and between two packets
USUAL_RATE = 30.0  # frames a second, where nothing says how many there are
HIDDEN_FRAMES = 3  # that a whole file may hold besides those it shows, before its beginning, say
# Recorders write the index of these last
INDEXED = (".mp4", ".m4v", ".mov", ".3gp")


@dataclass(frozen=True)
class Frame:
    """A picture on its way through the models.

    Attributes:
        index: from 0.
        name: of its file.
        pixels: uint8 [height, width, 3], RGB; None where it could not be read.
        seconds: since the first frame, of a video; None of a picture.
        problem: why it could not be read.
    """

    index: int
    name: str
    pixels: np.ndarray | None
    seconds: float | None = None
    problem: str | None = None


class Video:
    """A video that is open; iterating gives its frames.

    Attributes:
        live: frames that come whether or not anybody reads them: those that come too fast are left out.
        rate: frames a second.
        total: the number of frames; None where it is not known.
        problems: what went wrong while it was read; complete after the last frame.

    Raises:
        UserError: it cannot be opened, or holds no video.
    """

    is_video = True

    def __init__(self, where: str | IO[bytes], shown: str, *, camera: bool = False, address: bool = False) -> None:
        self.name, self.problems = shown, list[str]()
        self._file = None if isinstance(where, str) else where
        # by TCP nothing gets lost; some servers know UDP alone
        options = {"rtsp_flags": "prefer_tcp"} if address and where.lower().startswith("rtsp") else {}
        try:
            self._container = av.open(
                where,
                format="v4l2" if camera else None,
                options=options,
                timeout=SILENCE_SECONDS if address else None,
            )
        except FFmpegError as error:
            raise UserError(f"cannot open {shown}: {_reason(error, shown)}") from None
        if not self._container.streams.video:
            self.close()
            raise UserError(f"{shown} holds no video")
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self.seconds = self._container.duration / av.time_base if self._container.duration else None
        self.live = camera or (address and self.seconds is None)
        self.rate = float(self._stream.average_rate or self._stream.guessed_rate or USUAL_RATE)
        self.total = None if self.live else self._stream.frames or self._estimated()

    def _estimated(self) -> int | None:
        return round(self.seconds * self.rate) if self.seconds else None

    def __iter__(self) -> Iterator[Frame]:
        first, last, index, damaged = None, 0.0, 0, 0
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                break
            except FFmpegError as error:
                self.problems.append(f"{self.name} broke off after {index} frames: {_reason(error, self.name)}")
                return
            try:
                frames = packet.decode()
            except FFmpegError:
                damaged += 1
                continue
            for frame in frames:
                seconds = index / self.rate if frame.time is None else frame.time
                first = seconds if first is None else first
                last = seconds - first
                yield Frame(index, self.name, _upright(frame), last)
                index += 1
        # who joins a stream must wait for its next whole picture
        if damaged and not self.live:
            self.problems.append(f"{self.name}: {damaged} packets could not be decoded, their frames are missing")
        self._ended(index, last)

    def _ended(self, frames: int, last: float) -> None:
        """A file that is cut off often ends without an error: only its header tells how long it was to be."""
        if self.live:
            return
        expected = self._stream.frames
        if expected and frames < expected - max(HIDDEN_FRAMES, expected // 100):
            self.problems.append(f"{self.name} ends after {frames} of {expected} frames")
        elif not expected and self.seconds and last + 1 / self.rate < self.seconds - max(0.5, 5 / self.rate):
            self.problems.append(f"{self.name} ends after {last:.1f} of {self.seconds:.1f} seconds")
        elif not frames:
            self.problems.append(f"{self.name} holds no frame that can be decoded")

    def close(self) -> None:
        with contextlib.suppress(FFmpegError):
            self._container.close()
        if self._file:
            self._file.close()


def _upright(frame: av.VideoFrame) -> np.ndarray:
    """A frame's pixels, turned as its camera was held. uint8 [height, width, 3], RGB."""
    pixels = frame.to_ndarray(format="rgb24")
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


def _reason(error: FFmpegError, where: str) -> str:
    """What FFmpeg says, in words."""
    if isinstance(error, av.error.ExitError):
        return f"nothing came for {SILENCE_SECONDS:g} s"
    if isinstance(error, av.error.InvalidDataError):
        cut = Path(where).suffix.lower() in INDEXED
        return "no video that can be read" + (", or cut off before its index, which comes last" if cut else "")
    if "://" in where and error.errno == errno.EIO:
        return "the connection was lost"
    return (error.strerror or str(error)).lower()
