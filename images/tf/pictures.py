"""The training pictures by their index: pixels, boxes, classes, as tensors; kept in memory where they fit.

Pictures are read from the dataset where it lies. TFRecords would be a second copy of it in every run, and can only be
read one after another: the order of training follows from positions (isomer.stream), not from a shuffle buffer.
"""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tensorflow as tf
from augment import Sample, resize
from PIL import ExifTags, Image

from isomer import files, memory, progress
from isomer.dataset.canonical import Picture, Split
from isomer.errors import UserError

# Formats and modes that TensorFlow decodes to the pixels that everyone else gets; what is not among them becomes a PNG.
SAME_PIXELS = {("JPEG", "RGB"), ("JPEG", "L"), ("PNG", "RGB"), ("PNG", "L")}
UPRIGHT = 1
MOST_OF_MEMORY = 0.4  # of what is free, for --cache auto


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """A file's bytes as uint8 [height, width, 3]; with the accurate inverse DCT the same pixels as Pillow's."""
    pixels = tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE"),
        lambda: tf.io.decode_png(encoded, channels=3),
    )
    return tf.ensure_shape(pixels, [None, None, 3])


class Pictures:
    """A split's pictures for the input pipeline."""

    def __init__(self, split: Split, size: int, whole: bool, cache: str, workers: int, processes: int = 1) -> None:
        """Read what is to be kept.

        Args:
            whole: pictures come in their own size, to be cropped; else already resized to [size, size, 3].
            cache: as --cache. workers: threads that read. processes: that share this machine's memory.

        Raises:
            UserError: a picture cannot be read; it is named.
        """
        self.split, self.size, self.whole = split, size, whole
        self._boxes, self._classes, self._ends = _labels(split)
        needed = sum(_area(picture) if whole else size * size * 4 for picture in split.pictures) * 3
        self.kept = cache == "memory" or (cache == "auto" and needed * processes <= memory.available() * MOST_OF_MEMORY)
        if self.kept:
            self._keep(workers, needed)
        else:
            self._paths: list[str] = []

    def use_files(self, folder: Path, writes: bool) -> None:
        """Get ready to read files while training: those that TensorFlow would decode otherwise are copied as PNG into
        `folder`, by the process that `writes`.

        Raises:
            UserError: a file is no picture; it is named.
        """
        for picture in progress.track(self.split.pictures, f"look at {self.split.name}", unit="images"):
            path = self.split.path(picture)
            if not _is_plain(path):
                copy = folder / f"{picture.id}.png"
                if writes and not copy.is_file():
                    stream = io.BytesIO()
                    Image.fromarray(self.split.load(picture)).save(stream, "PNG")
                    files.write_bytes(copy, stream.getvalue())
                path = copy
            self._paths.append(str(path))

    def load(self, index: tf.Tensor) -> Sample:
        """The picture at an index of the split: `image` uint8 in its own size, or float32 [size, size, 3]."""
        ends = tf.constant(self._ends)
        inside = slice(ends[index], ends[index + 1])
        boxes, classes = tf.constant(self._boxes)[inside], tf.constant(self._classes)[inside]
        return {"image": self._image(index), "boxes": boxes, "classes": classes}

    def _image(self, index: tf.Tensor) -> tf.Tensor:
        if self.kept and not self.whole:
            return tf.ensure_shape(self._pixels[index], [self.size, self.size, 3])
        if self.kept:
            shape = tf.constant(self._shapes)[index]
            start = tf.constant(self._starts)[index]
            return tf.reshape(self._pixels[start : start + tf.reduce_prod(tf.cast(shape, tf.int64))], shape)
        pixels = decode(tf.io.read_file(tf.constant(self._paths)[index]))
        if self.whole:
            return pixels
        return tf.ensure_shape(resize(pixels, self.size, self.size), [self.size, self.size, 3])

    def _keep(self, workers: int, needed: int) -> None:
        pictures, size = self.split.pictures, self.size
        try:
            if self.whole:
                store = np.empty(needed, np.uint8)
                self._shapes = np.array([[picture.height, picture.width, 3] for picture in pictures], np.int32)
                self._starts = np.cumsum([0, *self._shapes.prod(axis=1, dtype=np.int64)])[:-1]
            else:
                store = np.empty((len(pictures), size, size, 3), np.float32)
        except MemoryError as error:
            raise UserError(f"--cache memory: {needed / 1e9:.1f} GB are not to be had; use --cache none") from error

        def read(number: int) -> None:
            pixels = self.pixels(number)
            if self.whole:
                store[self._starts[number] :][: pixels.size] = pixels.ravel()
            else:
                store[number] = resize(tf.constant(pixels), size, size)

        with tf.device("CPU"), ThreadPoolExecutor(max(workers, 1)) as pool:
            for _ in progress.track(
                pool.map(read, range(len(pictures))), f"read {self.split.name}", "images", len(pictures)
            ):
                pass
            self._pixels = tf.convert_to_tensor(store)

    def pixels(self, number: int) -> np.ndarray:
        """The picture at an index, uint8 [height, width, 3], by TensorFlow where it decodes as everyone does.

        Raises:
            UserError: it cannot be read, or is not of the size that the dataset says; it is named.
        """
        picture = self.split.pictures[number]
        path = self.split.path(picture)
        try:
            pixels = decode(tf.constant(path.read_bytes())).numpy() if _is_plain(path) else self.split.load(picture)
        except (OSError, tf.errors.OpError):
            pixels = self.split.load(picture)  # says what is wrong
        if pixels.shape[:2] != (picture.height, picture.width):
            raise UserError(
                f"{path} is {pixels.shape[1]}×{pixels.shape[0]} pixels, the dataset says {picture.width}×"
                f"{picture.height}: import it again"
            )
        return pixels


def _is_plain(path: Path) -> bool:
    """Whether TensorFlow decodes the file as everyone does.

    Raises:
        UserError: it is no picture.
    """
    try:
        with Image.open(path) as image:
            upright = image.getexif().get(ExifTags.Base.Orientation, UPRIGHT) == UPRIGHT
            return upright and (image.format, image.mode) in SAME_PIXELS
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"cannot read the picture {path}: {error}; mend or remove it, import again") from None


def _area(picture: Picture) -> int:
    return picture.width * picture.height


def _labels(split: Split) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All boxes [n, 4] (ymin, xmin, ymax, xmax, fractions), classes [n], and where each picture's begin [pictures + 1].

    Crowds are left out, and boxes that have no area inside the picture.
    """
    boxes, classes, ends = [], [], [0]
    for picture in split.pictures:
        scale = (picture.height, picture.width) * 2
        for box in picture.boxes:
            corners = np.clip(np.divide((box.y, box.x, box.y + box.height, box.x + box.width), scale), 0, 1)
            if not box.crowd and (corners[2:] > corners[:2]).all():
                boxes.append(corners)
                classes.append(box.category)
        ends.append(len(boxes))
    return (
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(classes, np.int32),
        np.array(ends, np.int32),
    )
