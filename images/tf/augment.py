"""--augment: other light, mirrored, zoomed out, cropped. Every draw follows from a seed of two numbers, the run's and
the sample's, so a run that goes on draws what it would have drawn."""

from __future__ import annotations

import recipe
import tensorflow as tf

Sample = dict[str, tf.Tensor]
"""`boxes` [n, 4] as fractions, `classes` [n], and `image`: pixels [height, width, 3]."""

BRIGHTNESS = 32.0  # grey levels
CONTRAST = SATURATION = (0.6, 1.4)
ZOOM = 3.0  # a picture takes at least so small a share of the canvas's side
SHARE_ZOOMED, SHARE_CROPPED = 0.3, 0.6
# of a box that must stay in a crop: https://arxiv.org/abs/1512.02325, section 2.2
COVERED = (0.1, 0.3, 0.5, 0.7, 0.9)
CROP_AREA, CROP_SHAPE = (0.1, 1.0), (0.5, 2.0)


def _draw(seed: tf.Tensor, what: int, low: float = 0.0, high: float = 1.0) -> tf.Tensor:
    """A number for one purpose: `what` tells the draws of a sample apart."""
    return tf.random.stateless_uniform([], tf.random.experimental.stateless_fold_in(seed, what), low, high)


def resize(pixels: tf.Tensor, height: int | tf.Tensor, width: int | tf.Tensor) -> tf.Tensor:
    """Pixels [h, w, 3] of any type to float32 grey levels: the contract's resizing.

    The kernel takes the file's bytes as they are; tf.image.resize of a float copy gives the same bits, later.
    """
    return tf.raw_ops.ResizeBilinear(images=pixels[None], size=[height, width], half_pixel_centers=True)[0]


def light(sample: Sample, seed: tf.Tensor) -> Sample:
    """Every second picture mirrored, all with other saturation, contrast and brightness; the image normalised."""
    image, boxes = sample["image"], sample["boxes"]
    mirrored = _draw(seed, 0) < 0.5
    saturation, contrast = _draw(seed, 1, *SATURATION), _draw(seed, 2, *CONTRAST)
    mix = contrast * (saturation * tf.eye(3) + (1 - saturation) * tf.fill([3, 3], 1 / 3))
    level = tf.reduce_mean(image) * (1 - contrast) + _draw(seed, 3, -BRIGHTNESS, BRIGHTNESS)
    top, left, bottom, right = tf.unstack(boxes, axis=1)
    turned = tf.stack([top, 1 - right, bottom, 1 - left], axis=1)
    return sample | {"image": relit(image, mix, level, mirrored), "boxes": tf.where(mirrored, turned, boxes)}


@tf.function(jit_compile=True)
def relit(image: tf.Tensor, mix: tf.Tensor, level: tf.Tensor, mirrored: tf.Tensor) -> tf.Tensor:
    """Grey levels [size, size, 3] times `mix` plus `level`, mirrored or not, normalised: one pass through the pixels,
    where each operation by itself would be one."""
    channels = tf.unstack(image, axis=2)
    mixed = [sum(channel * mix[one, other] for one, channel in enumerate(channels)) for other in range(3)]
    lit = tf.clip_by_value(tf.stack(mixed, axis=2) + level, 0.0, 255.0)
    turned = tf.where(mirrored, tf.reverse(lit, [1]), lit)
    return (turned - tf.constant(recipe.MEAN)) / tf.constant(recipe.STD)


def place(sample: Sample, seed: tf.Tensor, size: int) -> Sample:
    """The picture, a crop of it, or a grey canvas with the picture somewhere on it, as [size, size, 3] grey levels."""
    drawn = _draw(seed, 4)
    image, boxes, classes = tf.case(
        [
            (drawn < SHARE_ZOOMED, lambda: _zoomed_out(sample, seed, size)),
            (drawn < SHARE_ZOOMED + SHARE_CROPPED, lambda: _cropped(sample, seed, size)),
        ],
        default=lambda: (resize(sample["image"], size, size), sample["boxes"], sample["classes"]),
    )
    return {"image": tf.ensure_shape(image, [size, size, 3]), "boxes": boxes, "classes": classes}


def _zoomed_out(sample: Sample, seed: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    side = tf.cast(tf.round(size / _draw(seed, 5, 1.0, ZOOM)), tf.int32)
    top, left = (tf.cast(_draw(seed, what) * tf.cast(size - side + 1, tf.float32), tf.int32) for what in (6, 7))
    grey = tf.constant(recipe.MEAN)
    small = resize(sample["image"], side, side) - grey  # zero is what the canvas is filled with
    image = tf.image.pad_to_bounding_box(small, top, left, size, size) + grey
    corner = tf.cast(tf.stack([top, left, top, left]), tf.float32)
    return image, (sample["boxes"] * tf.cast(side, tf.float32) + corner) / size, sample["classes"]


def _cropped(sample: Sample, seed: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """A crop that holds a share of a box; boxes stay whose centres are in it. The whole picture if none stays."""
    image, boxes, classes = sample["image"], sample["boxes"], sample["classes"]
    covered = tf.gather(tf.constant(COVERED), tf.cast(_draw(seed, 8, 0.0, float(len(COVERED))), tf.int32))
    begin, extent, window = tf.image.stateless_sample_distorted_bounding_box(
        tf.shape(image),
        tf.clip_by_value(boxes, 0.0, 1.0)[None],
        tf.random.experimental.stateless_fold_in(seed, 9),
        min_object_covered=covered,
        aspect_ratio_range=CROP_SHAPE,
        area_range=CROP_AREA,
        max_attempts=50,
        use_image_if_no_bounding_boxes=True,
    )
    origin, end = window[0, 0, :2], window[0, 0, 2:]
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = tf.reduce_all((centres > origin) & (centres < end), axis=1)
    corners = (boxes - tf.tile(origin, [2])) / tf.tile(end - origin, [2])
    kept = tf.clip_by_value(tf.boolean_mask(corners, inside), 0.0, 1.0)
    useful = tf.reduce_any(inside) | (tf.shape(boxes)[0] == 0)
    return tf.cond(
        useful,
        lambda: (resize(tf.slice(image, begin, extent), size, size), kept, tf.boolean_mask(classes, inside)),
        lambda: (resize(image, size, size), boxes, classes),
    )
