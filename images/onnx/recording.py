"""A video file, written frame by frame as H.264 in MP4, which browsers play."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

SUFFIX = ".mp4"
CLOCK = 90_000  # ticks a second: any frame rate fits, and cameras keep none
# The fastest preset that does not blow the file up; crf: a quality that shows no artefacts beside what is drawn; no
# B-frames: reordered, they lose how long each frame is shown where that is uneven
OPTIONS = {"preset": "superfast", "crf": "23", "bf": "0"}


class Recording:
    """A video at `path`; the first picture decides on its size, later ones of another size are fitted in.

    Args:
        rate: frames a second, of a steady video; what counts is the time that each picture is given.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self._container = av.open(str(path), "w", format="mp4")
        self._rate = rate
        self._stream: av.VideoStream | None = None
        self._last = -1

    def add(self, image: Image.Image, seconds: float) -> None:
        """Write a picture that is shown from `seconds` after the beginning on."""
        stream = self._opened(image)
        if image.size != (self._width, self._height):
            image = image.resize((self._width, self._height), Image.Resampling.BILINEAR)
        pixels = np.asarray(image)
        # 4:2:0 has one colour for two columns and two rows
        pixels = np.pad(pixels, ((0, stream.height - self._height), (0, stream.width - self._width), (0, 0)), "edge")
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.time_base = Fraction(1, CLOCK)
        # a clock that stands still or goes back is no reason to lose a frame
        frame.pts = self._last = max(round(seconds * CLOCK), self._last + 1)
        frame.duration = round(CLOCK / self._rate)
        self._container.mux(stream.encode(frame))

    def _opened(self, image: Image.Image) -> av.VideoStream:
        if self._stream is None:
            self._width, self._height = image.size
            stream = self._container.add_stream("libx264", Fraction(self._rate).limit_denominator(1001), OPTIONS)
            stream.width, stream.height = (side + side % 2 for side in image.size)
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = Fraction(1, CLOCK)
            self._stream = stream
        return self._stream

    def close(self) -> None:
        """Write what the encoder still holds, and the index."""
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))
        self._container.close()
