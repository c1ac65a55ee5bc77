"""From pictures to batches: pixels as the contract's head makes them, other light, mirrored, anchors' targets."""

from __future__ import annotations

from collections.abc import Iterator

import augment
import numpy as np
import quiet
import recipe
import tensorflow as tf
from pictures import Pictures
from targets import Anchors

from isomer.stream import Stream


def resize(images: tf.Tensor, size: int) -> tf.Tensor:
    """Pixels [..., height, width, 3] of any type to float32 grey levels [..., size, size, 3]: the contract's resizing
    (stretched, bilinear, half-pixel centres, no antialiasing, on floats)."""
    return tf.image.resize(tf.cast(images, tf.float32), (size, size), method="bilinear", antialias=False)


def normalise(images: tf.Tensor) -> tf.Tensor:
    """Grey levels as the core wants them."""
    return (images - tf.constant(recipe.MEAN)) / tf.constant(recipe.STD)


class Batches:
    """The stream of training pictures, cut into batches; what a sample is follows from the seed and its position."""

    def __init__(
        self, pictures: Pictures, anchors: Anchors, stream: Stream, batch: int, kind: str, workers: int
    ) -> None:
        """`batch` is the number of pictures of a step over all processes, `kind` as --augment."""
        self.pictures, self.anchors, self.stream, self.batch = pictures, anchors, stream, batch
        self.kind, self.workers = kind, max(workers, 1)
        size = anchors.size
        with tf.device("CPU"), quiet.hushed():  # XLA says that it compiles
            augment.relit(tf.zeros([size, size, 3]), tf.eye(3), 0.0, False)

    def after(self, step: int, context: tf.distribute.InputContext | None = None) -> tf.data.Dataset:
        """The batches that come after `step` steps, for one of the processes that divide each step among them.

        Returns:
            (images [b, size, size, 3], (classes [b, A], deltas [b, A, 4])), as targets.Anchors.assign makes them.
        """
        context = context or tf.distribute.InputContext()
        share = self.batch // context.num_input_pipelines
        first = context.input_pipeline_id * share

        def steps() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            start = step * self.batch + first
            while True:
                positions = np.arange(start, start + share)
                yield positions, np.array([self.stream[position] for position in positions])
                start += self.batch

        signature = (tf.TensorSpec([share], tf.int64), tf.TensorSpec([share], tf.int64))
        samples = tf.data.Dataset.from_generator(steps, output_signature=signature).unbatch()
        options = tf.data.Options()
        options.threading.private_threadpool_size = self.workers
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        each = context.get_per_replica_batch_size(self.batch)
        return (
            samples.map(self.sample, num_parallel_calls=self.workers)
            .batch(each, drop_remainder=True)
            .prefetch(2 * share // each)
            .with_options(options)
        )

    def sample(self, position: tf.Tensor, index: tf.Tensor) -> tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor]]:
        """The picture at an index of the split as it is at a position of the stream."""
        seed = tf.stack([tf.constant(self.stream.seed, tf.int64), position])
        data = self.pictures.load(index)
        if self.kind == "ssd":
            data = augment.place(data, seed, self.anchors.size)
        if self.kind == "none":
            data["image"] = normalise(data["image"])
        else:
            data = augment.light(data, seed)
        return data["image"], self.anchors.assign(data["boxes"], data["classes"])

    def names(self, step: int) -> list[str]:
        """File names of the pictures of a step, from 1, over all processes."""
        first = (step - 1) * self.batch
        return [
            self.pictures.split.pictures[self.stream[position]].file_name
            for position in range(first, first + self.batch)
        ]
