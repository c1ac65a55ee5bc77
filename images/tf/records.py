"""TFRecords of a split, in the layout of the TensorFlow Object Detection API.

    runs/RUN/records/   train-00000-of-00002.tfrecord …   records.json

https://github.com/tensorflow/models/blob/master/research/object_detection/g3doc/using_your_own_dataset.md
"""

from __future__ import annotations

import io
import itertools
import json
import math
import random
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf
from PIL import ExifTags, Image

from isomer import files, progress
from isomer.dataset.canonical import Dataset, Picture, Split

SHARD_PICTURES = 512
# Formats and modes that TensorFlow decodes to the pixels that everyone else gets; what is not among them becomes a PNG.
SAME_PIXELS = {("JPEG", "RGB"), ("JPEG", "L"), ("PNG", "RGB"), ("PNG", "L")}
UPRIGHT = 1


@dataclass(frozen=True)
class Records:
    """A split's shards and its number of pictures."""

    paths: tuple[Path, ...]
    pictures: int


def prepare(folder: Path, dataset: Dataset, split: Split) -> Records:
    """The split's records in `folder`, written unless they are there for this very dataset.

    The pictures are shuffled (the same way each time), so that a shuffle buffer smaller than the split is enough.

    Raises:
        UserError: a picture cannot be read; it is named.
    """
    about = folder / "records.json"
    wanted = {"dataset_sha256": dataset.sha256, "split": split.name, "pictures": len(split.pictures)}
    if not about.is_file() or json.loads(about.read_text()) != wanted:
        pictures = list(split.pictures)
        random.Random(0).shuffle(pictures)
        with files.replacing_folder(folder) as temporary:
            shown = progress.track(pictures, f"records {split.name}", unit="images")
            for name in _names(split):
                with tf.io.TFRecordWriter(str(temporary / name)) as writer:
                    for picture in itertools.islice(shown, SHARD_PICTURES):
                        writer.write(example(split, picture).SerializeToString())
            files.write_json(temporary / "records.json", wanted)
    return Records(tuple(folder / name for name in _names(split)), len(split.pictures))


def example(split: Split, picture: Picture) -> tf.train.Example:
    """One picture and its boxes: corners as fractions, class ids from 1."""
    boxes = picture.boxes
    width, height = picture.width, picture.height
    encoded, suffix = _encoded(split, picture)
    features = {
        "image/encoded": _bytes([encoded]),
        "image/format": _bytes([suffix]),
        "image/filename": _bytes([picture.file_name.encode()]),
        "image/source_id": _bytes([str(picture.id).encode()]),
        "image/height": _integers([height]),
        "image/width": _integers([width]),
        "image/object/bbox/xmin": _floats(box.x / width for box in boxes),
        "image/object/bbox/xmax": _floats((box.x + box.width) / width for box in boxes),
        "image/object/bbox/ymin": _floats(box.y / height for box in boxes),
        "image/object/bbox/ymax": _floats((box.y + box.height) / height for box in boxes),
        "image/object/class/label": _integers(box.category for box in boxes),
        "image/object/class/text": _bytes(split.classes[box.category - 1].encode() for box in boxes),
        "image/object/is_crowd": _integers(int(box.crowd) for box in boxes),
    }
    return tf.train.Example(features=tf.train.Features(feature=features))


def _encoded(split: Split, picture: Picture) -> tuple[bytes, bytes]:
    """The picture's file, or a PNG of its pixels where TensorFlow would decode the file to others; and its format."""
    path = split.path(picture)
    pixels = split.load(picture)  # so that an unreadable picture is found now, by its name
    with Image.open(path) as image:
        upright = image.getexif().get(ExifTags.Base.Orientation, UPRIGHT) == UPRIGHT
        if upright and (image.format, image.mode) in SAME_PIXELS:
            return path.read_bytes(), image.format.lower().encode()
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue(), b"png"


def _names(split: Split) -> list[str]:
    count = math.ceil(len(split.pictures) / SHARD_PICTURES)
    return [f"{split.name}-{index:05d}-of-{count:05d}.tfrecord" for index in range(count)]


def _bytes(values) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def _floats(values) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def _integers(values) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
