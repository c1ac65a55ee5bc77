"""A person's own picture, wherever it comes from: upright, RGB; or why it cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from isomer.errors import UserError
from isomer.predicting import SUFFIXES

ERRORS = (OSError, SyntaxError, ValueError)  # what Pillow's readers raise


def decoded(source: Path | IO[bytes], where: str) -> np.ndarray:
    """A picture as uint8 [height, width, 3], RGB, turned upright where EXIF says so.

    Raises:
        UserError: it cannot be read; `where` says which.
    """
    try:
        with Image.open(source) as image:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except UnidentifiedImageError:
        raise UserError(f"{where} is no picture that can be read") from None
    except ERRORS as error:
        raise UserError(f"{where} cannot be read: {error}") from None


def is_one(path: Path) -> bool:
    """Whether a file is one picture, by its content; a damaged one by its name. One that moves is a video."""
    try:
        with Image.open(path) as image:
            return getattr(image, "n_frames", 1) == 1
    except ERRORS:
        return path.suffix.lower() in SUFFIXES
