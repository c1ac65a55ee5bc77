"""From TFRecords to batches: pixels as the contract's head makes them, flips, anchors' targets."""

from __future__ import annotations

import recipe
import tensorflow as tf
from architectures import MIN_LEVEL, Architecture
from official.vision.dataloaders import retinanet_input
from official.vision.dataloaders.tf_example_decoder import TfExampleDecoder
from official.vision.ops import anchor
from records import Records

CACHE_BYTES = 512 * 2**20  # decoded and resized pictures kept in memory, where they all fit
SHUFFLE_BUFFER = 1024  # pictures; the records are written in shuffled order


def resize(images: tf.Tensor, size: int) -> tf.Tensor:
    """Pixels [..., height, width, 3] of any type to float32 grey levels [..., size, size, 3]: the contract's resizing
    (stretched, bilinear, half-pixel centres, no antialiasing, on floats)."""
    return tf.image.resize(tf.cast(images, tf.float32), (size, size), method="bilinear", antialias=False)


def normalise(images: tf.Tensor) -> tf.Tensor:
    """Grey levels as the core wants them."""
    return (images - tf.constant(recipe.MEAN)) / tf.constant(recipe.STD)


class Decoder(TfExampleDecoder):
    """The Model Garden's decoder, with the accurate inverse DCT: the same pixels as Pillow's."""

    def _decode_image(self, parsed_tensors: dict[str, tf.Tensor]) -> tf.Tensor:
        encoded = parsed_tensors["image/encoded"]
        image = tf.cond(
            tf.io.is_jpeg(encoded),
            lambda: tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE"),
            lambda: tf.io.decode_png(encoded, channels=3),
        )
        image.set_shape([None, None, 3])
        return image


class Parser(retinanet_input.Parser):
    """The Model Garden's parser, with the contract's resizing instead of one that keeps the aspect and pads.

    `load` is the part that is the same each time (and may be cached), `augment` what differs from epoch to epoch;
    randomness comes from the sample's number, so that a resumed run goes on with the same samples.
    """

    def __init__(self, architecture: Architecture, size: int) -> None:
        geometry = {
            "min_level": MIN_LEVEL,
            "max_level": architecture.max_level(size),
            "num_scales": architecture.anchor_scales,
            "aspect_ratios": list(architecture.anchor_ratios),
            "anchor_size": architecture.anchor_size,
        }
        super().__init__(output_size=[size, size], **geometry, dtype="float32")
        self.size = size
        self.anchors = anchor.Anchor(image_size=[size, size], **geometry).multilevel_boxes
        self._labeler = anchor.AnchorLabeler(architecture.match_threshold, architecture.match_threshold)

    def load(self, serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        """A record as `image` [size, size, 3] in grey levels, `boxes` [n, 4] as fractions and `classes` [n]."""
        data = Decoder().decode(serialized)
        corners = tf.clip_by_value(data["groundtruth_boxes"], 0.0, 1.0)
        kept = tf.reduce_all(corners[:, 2:] > corners[:, :2], axis=1) & ~data["groundtruth_is_crowd"]
        return {
            "image": tf.ensure_shape(resize(data["image"], self.size), [self.size, self.size, 3]),
            "boxes": tf.boolean_mask(corners, kept),
            "classes": tf.cast(tf.boolean_mask(data["groundtruth_classes"], kept), tf.int32),
        }

    def augment(self, data: dict[str, tf.Tensor], seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Flip every second picture; `seed` [2] is the run's and the sample's number."""
        flipped = tf.random.stateless_uniform([], seed) < 0.5
        top, left, bottom, right = tf.unstack(data["boxes"], axis=1)
        mirrored = tf.stack([top, 1 - right, bottom, 1 - left], axis=1)
        return data | {
            "image": tf.where(flipped, data["image"][:, ::-1], data["image"]),
            "boxes": tf.where(flipped, mirrored, data["boxes"]),
        }

    def _parse_train_data(self, data: dict[str, tf.Tensor]) -> tuple[tf.Tensor, dict]:
        """Image and targets as RetinaNetTask.train_step takes them; boxes there are in pixels."""
        cls_targets, box_targets, _, cls_weights, box_weights = self._labeler.label_anchors(
            self.anchors, data["boxes"] * self.size, data["classes"][:, None]
        )
        targets = {
            "cls_targets": cls_targets,
            "box_targets": box_targets,
            "cls_weights": cls_weights,
            "box_weights": box_weights,
        }
        return normalise(data["image"]), targets


def batches(
    records: Records, parser: Parser, batch: int, seed: int, first_sample: int = 0, workers: int = 2
) -> tf.data.Dataset:
    """An endless stream of shuffled epochs, cut into full batches; goes on at sample `first_sample`."""
    parallel = {"num_parallel_calls": max(workers, 1)}
    serialized = tf.data.TFRecordDataset([str(path) for path in records.paths])
    fits = records.pictures * parser.size**2 * 3 * 4 <= CACHE_BYTES
    samples = serialized.map(parser.load, **parallel).cache() if fits else serialized

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        buffer = min(SHUFFLE_BUFFER, records.pictures)
        return samples.shuffle(buffer, seed=seed * 1_000_003 + number, reshuffle_each_iteration=False)

    first_epoch, skipped = divmod(first_sample, records.pictures)
    stream = tf.data.Dataset.counter(first_epoch).flat_map(epoch).skip(skipped)
    if not fits:
        stream = stream.map(parser.load, **parallel)

    def finish(number: tf.Tensor, data: dict[str, tf.Tensor]) -> tuple[tf.Tensor, dict]:
        return parser.parse_fn(is_training=True)(parser.augment(data, tf.stack([seed, number])))

    numbered = tf.data.Dataset.zip(tf.data.Dataset.counter(first_sample), stream)
    return numbered.map(finish, **parallel).batch(batch, drop_remainder=True).prefetch(2)
