"""The Model Garden as it comes, for the benchmarks to compare with: its TFRecords, parser, task and driver."""

from __future__ import annotations

import quiet  # noqa: F401 (before tensorflow)

# isort: split
import logging
from pathlib import Path

import orbit
import tensorflow as tf
from architectures import Architecture
from model import config
from official.core import config_definitions, train_lib
from official.vision.configs import retinanet
from official.vision.tasks.retinanet import RetinaNetTask
from recipe import Recipe

from isomer.dataset.canonical import Picture, Split

SHARD_PICTURES = 512


def write_records(split: Split, folder: Path) -> str:
    """The split as TFRecords of the Object Detection API; the pattern of their names."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, start in enumerate(range(0, len(split.pictures), SHARD_PICTURES)):
        with tf.io.TFRecordWriter(str(folder / f"train-{number:05d}.tfrecord")) as writer:
            for picture in split.pictures[start : start + SHARD_PICTURES]:
                writer.write(_example(split, picture).SerializeToString())
    return str(folder / "train-*.tfrecord")


def task(architecture: Architecture, size: int, classes: int, records: str, batch: int) -> RetinaNetTask:
    """The stock task with the same model, on the records, mirroring every second picture as its configurations do."""
    wanted = config(architecture, size, classes, Recipe())
    wanted.train_data = retinanet.DataConfig(
        input_path=records,
        is_training=True,
        global_batch_size=batch,
        dtype="float32",
        parser=retinanet.Parser(aug_rand_hflip=True, aug_scale_min=0.8, aug_scale_max=1.2),
    )
    return RetinaNetTask(wanted)


def driver(stock: RetinaNetTask, trainer: config_definitions.TrainerConfig, folder: Path) -> orbit.Controller:
    """What official/vision/train.py runs: train_lib's runner, here by its controller so that it can take turns."""
    orbit.controller._log = logging.info
    trainer.steps_per_loop = 5
    trainer.summary_interval = 1_000_000
    trainer.checkpoint_interval = 1_000_000
    params = config_definitions.ExperimentConfig(task=stock.task_config, trainer=trainer)
    runner = train_lib.OrbitExperimentRunner(
        distribution_strategy=tf.distribute.get_strategy(),
        task=stock,
        mode="train",
        params=params,
        model_dir=str(folder),
    )
    return runner.controller


def _example(split: Split, picture: Picture) -> tf.train.Example:
    data, boxes = split.path(picture).read_bytes(), picture.boxes
    width, height = picture.width, picture.height
    numbers = {
        "image/object/bbox/xmin": [box.x / width for box in boxes],
        "image/object/bbox/xmax": [(box.x + box.width) / width for box in boxes],
        "image/object/bbox/ymin": [box.y / height for box in boxes],
        "image/object/bbox/ymax": [(box.y + box.height) / height for box in boxes],
    }
    integers = {
        "image/height": [height],
        "image/width": [width],
        "image/object/class/label": [box.category for box in boxes],
        "image/object/is_crowd": [int(box.crowd) for box in boxes],
    }
    features = {
        "image/encoded": tf.train.Feature(bytes_list=tf.train.BytesList(value=[data])),
        "image/source_id": tf.train.Feature(bytes_list=tf.train.BytesList(value=[str(picture.id).encode()])),
        **{name: tf.train.Feature(float_list=tf.train.FloatList(value=values)) for name, values in numbers.items()},
        **{name: tf.train.Feature(int64_list=tf.train.Int64List(value=values)) for name, values in integers.items()},
    }
    return tf.train.Example(features=tf.train.Features(feature=features))
