"""Picture files on their way into a dataset: what is in them, and upright 8-bit RGB or grey JPEG or PNG out of it.

A file that is that already is taken byte for byte. What is turned or converted is written as PNG if it was lossless,
else as JPEG. An alpha channel is dropped, as OpenCV does when it reads a picture; of 16 bits the upper 8 are kept.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

JPEG_QUALITY = 95
LOSSLESS = ("PNG", "BMP", "TIFF", "GIF")
SUFFIXES = {"JPEG": ".jpg", "PNG": ".png"}

PictureSource = Path | Callable[[], bytes]
"""A picture's file, or a function to the bytes of one that lies in another file."""


class PictureError(ValueError):
    """A picture that cannot be used; the message is the reason, without the file's name."""


@dataclass(frozen=True)
class Header:
    """What a picture file says before its pixels are decoded.

    width, height: as stored; orientation: the EXIF tag, 1 to 8; changes: why it cannot be taken byte for byte.
    """

    width: int
    height: int
    orientation: int
    format: str
    changes: tuple[str, ...]

    @property
    def stored_size(self) -> tuple[int, int]:
        return self.width, self.height

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height as shown, and as the dataset has it."""
        return (self.height, self.width) if self.orientation >= 5 else self.stored_size

    @property
    def saved_format(self) -> str:
        return self.format if not self.changes else "PNG" if self.format in LOSSLESS else "JPEG"

    def upright_box(self, x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
        """A box in the stored picture as x, y, width, height in the upright one."""
        right, below = self.width - x - width, self.height - y - height
        return {
            1: (x, y, width, height),
            2: (right, y, width, height),
            3: (right, below, width, height),
            4: (x, below, width, height),
            5: (y, x, height, width),
            6: (below, x, height, width),
            7: (below, right, height, width),
            8: (y, right, height, width),
        }[self.orientation]


def inspect(path: PictureSource, *, whole: bool = True) -> Header:
    """Read a picture's header.

    Without `whole`, a PNG's EXIF counts only if it stands before the pixels, as it nearly always does: behind them it
    cannot be found without decoding them.

    Raises:
        PictureError: it is not a picture that can be read.
    """
    with opened(path) as image:
        raw_mode = _raw_mode(image)  # first: for its EXIF a PNG is decoded, which forgets this
        exif = image.getexif() if whole or image.format != "PNG" or "exif" in image.info else {}
        orientation = exif.get(ExifTags.Base.Orientation, 1)
        orientation = orientation if orientation in range(1, 9) else 1
        changes = []
        if orientation != 1:
            changes.append("turned upright as EXIF says")
        # what cameras write as MPO is a JPEG with more pictures behind the first
        kind = "JPEG" if image.format == "MPO" else image.format
        if kind not in SUFFIXES:
            changes.append(f"{kind} made {'PNG' if kind in LOSSLESS else 'JPEG'}")
        elif image.mode not in ("RGB", "L") or (kind == "PNG" and raw_mode != image.mode):
            changes.append(f"{raw_mode or image.mode} made 8-bit {'grey' if _is_grey(image) else 'RGB'}")
        width, height = image.size
        if kind == "TIFF" and orientation >= 5:
            width, height = height, width  # Pillow turns these itself
        return Header(width, height, orientation, kind, tuple(changes))


def store(path: PictureSource, header: Header, target: Path, *, link: bool, verified: bool = False) -> bool:
    """Write the picture to `target`, whose suffix is that of `header.saved_format`; True if it became a hard link.

    It is decoded to see that it is whole, unless that is known (`verified`) and it is taken as it is.

    Raises:
        PictureError: the pixels cannot be decoded to the end.
    """
    upright = None
    if header.changes or not verified:
        with opened(path) as image:
            image.load()
            upright = _eight_bits(ImageOps.exif_transpose(image)) if header.changes else None
    if upright is not None:
        options = {"quality": JPEG_QUALITY, "subsampling": 0} if header.saved_format == "JPEG" else {}
        # through the memory: Pillow does not tell a full disk from a picture that it cannot write
        stream = io.BytesIO()
        upright.save(stream, header.saved_format, exif=b"", **options)
        target.write_bytes(stream.getbuffer())
        return False
    if not isinstance(path, Path):
        target.write_bytes(path())
        return False
    if link:
        with contextlib.suppress(OSError):  # another file system, or one without hard links
            target.hardlink_to(path.resolve())
            return True
    shutil.copyfile(path, target)
    return False


@contextlib.contextmanager
def opened(path: PictureSource) -> Iterator[Image.Image]:
    """The picture file, opened; whatever is wrong with it, then or in the block, becomes a PictureError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damaged EXIF and large pictures are no matter, or an error below
            with Image.open(path if isinstance(path, Path) else io.BytesIO(path())) as image:
                yield image
    except Image.UnidentifiedImageError:
        is_empty = path.stat().st_size == 0 if isinstance(path, Path) else not path()
        reason = "is empty" if is_empty else "is no picture in a known format"
        raise PictureError(reason) from None
    except Image.DecompressionBombError:
        raise PictureError(f"is larger than {2 * Image.MAX_IMAGE_PIXELS // 10**6} million pixels") from None
    except PictureError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise PictureError(f"cannot be read ({getattr(error, 'strerror', None) or error})") from None


def _raw_mode(image: Image.Image) -> str:
    """How the file stores pixels, like `RGB`, `RGB;16B` or `P;4`; Pillow's mode does not tell 16 bits from 8."""
    arguments = image.tile[0].args if image.tile else ""
    return arguments if isinstance(arguments, str) else str((arguments or ("",))[0])


def _is_grey(image: Image.Image) -> bool:
    return image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I")


def _eight_bits(image: Image.Image) -> Image.Image:
    """The picture as RGB or L."""
    if image.mode == "F":
        raise PictureError("holds floating point numbers, which are no grey levels")
    if image.mode.startswith("I"):
        deep = np.asarray(image)
        if deep.min(initial=0) < 0 or deep.max(initial=0) > 0xFFFF:
            raise PictureError("holds more than 16 bits a pixel")
        return Image.fromarray((deep >> 8).astype(np.uint8))
    return image if image.mode in ("RGB", "L") else image.convert("L" if _is_grey(image) else "RGB")
