"""Boxes on their way into a dataset: from the frame that the annotation has in mind into the upright picture.

An annotation tool either shows a picture as its EXIF orientation says or as its pixels are stored, and nothing in the
annotation says which: the size it gives does, where a quarter turn makes the two differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from enum import Enum

from isomer.dataset.pictures import Header
from isomer.dataset.source import SourceBox

TOLERANCE = 1e-3  # pixels; what arithmetic adds to a box is less


class Frame(Enum):
    """Which picture a box's coordinates speak of."""

    STORED = "stored"
    UPRIGHT = "upright"


class BoxError(ValueError):
    """A box, or a picture with all its boxes, that cannot be used; the message is the reason."""


def frame_of(header: Header, size: tuple[int, int] | None) -> Frame | None:
    """The frame that an annotation's size gives away; None if it fits both or neither."""
    fits = [
        frame
        for frame, own in ((Frame.STORED, header.stored_size), (Frame.UPRIGHT, header.upright_size))
        if own == size
    ]
    return fits[0] if len(fits) == 1 else None


def majority(frames: Iterable[Frame | None]) -> Frame:
    """What most annotations of a source give away; upright, as today's tools show pictures, if none does."""
    frames = list(frames)
    return Frame.STORED if frames.count(Frame.STORED) > frames.count(Frame.UPRIGHT) else Frame.UPRIGHT


def pixels_of(header: Header, frame: Frame) -> tuple[int, int]:
    """The factors (x, y) from fractions to pixels of a frame: its width and height."""
    return header.stored_size if frame is Frame.STORED else header.upright_size


def scale_of(header: Header, frame: Frame, size: tuple[int, int] | None, boxes: Iterable[SourceBox]) -> tuple:
    """The factors (x, y) from the annotation's pixels to the picture's, which may have been resized since.

    Boxes that only fit the picture itself are in its pixels, whatever size the annotation gives.

    Raises:
        BoxError: the annotation's size is the picture's turned by a quarter, and the boxes do not fit unturned.
    """
    width, height = pixels_of(header, frame)
    if size in (None, (width, height)):
        return 1.0, 1.0
    right = max((box.x + box.width for box in boxes), default=0)
    below = max((box.y + box.height for box in boxes), default=0)
    if size == (height, width):
        if right > width or below > height:
            raise BoxError("turned since it was annotated: width and height are exchanged")
        return 1.0, 1.0
    if (right > size[0] or below > size[1]) and right <= width and below <= height:
        return 1.0, 1.0
    return width / size[0], height / size[1]


def scaled(box: SourceBox, x: float, y: float) -> SourceBox:
    return replace(box, x=box.x * x, y=box.y * y, width=box.width * x, height=box.height * y)


def upright(box: SourceBox, header: Header) -> SourceBox:
    """A box of the stored frame in the upright one."""
    x, y, width, height = header.upright_box(box.x, box.y, box.width, box.height)
    return replace(box, x=x, y=y, width=width, height=height)


def clipped(box: SourceBox, size: tuple[int, int]) -> SourceBox:
    """The part of a box that lies in a picture of (width, height); the very same box if that is all of it.

    Raises:
        BoxError: that is nothing, or the box was none.
    """
    if not all(map(math.isfinite, (box.x, box.y, box.width, box.height))):
        raise BoxError("with numbers that are not finite")
    if box.width < TOLERANCE or box.height < TOLERANCE:
        raise BoxError("of no area")
    left, top = max(box.x, 0.0), max(box.y, 0.0)
    right, below = min(box.x + box.width, size[0]), min(box.y + box.height, size[1])
    if right - left < TOLERANCE or below - top < TOLERANCE:
        raise BoxError("wholly outside the picture")
    changes = (left - box.x, top - box.y, box.x + box.width - right, box.y + box.height - below)
    if max(changes) <= 0:
        return box
    return replace(box, x=left, y=top, width=right - left, height=below - top)
