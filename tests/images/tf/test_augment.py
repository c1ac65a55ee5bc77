"""--augment: what is done to a picture is done to its boxes."""

from __future__ import annotations

import augment
import numpy as np
import pytest
import tensorflow as tf
from recipe import MEAN, STD

SIZE = 96


def seed(number: int) -> tf.Tensor:
    return tf.constant([0, number], tf.int64)


def picture(boxes: np.ndarray) -> dict[str, tf.Tensor]:
    """Black, with each box filled in a colour of its own; so a box can be found again wherever it goes."""
    pixels = np.zeros((120, 160, 3), np.uint8)
    for channel, (top, left, bottom, right) in enumerate(boxes):
        pixels[round(top * 120) : round(bottom * 120), round(left * 160) : round(right * 160), channel] = 250
    return {
        "image": tf.constant(pixels),
        "boxes": tf.constant(boxes, tf.float32),
        "classes": tf.range(1, len(boxes) + 1),
    }


BOXES = np.array([[0.1, 0.1, 0.4, 0.3], [0.5, 0.55, 0.9, 0.9]])


def seen(image: np.ndarray, channel: int) -> np.ndarray:
    """The corners, in pixels, of what is bright in a channel and in no other."""
    others = [other for other in range(3) if other != channel]
    bright = (image[..., channel] > 180) & (image[..., others].max(axis=-1) < 90)
    rows, columns = np.nonzero(bright)
    return np.array([rows.min(), columns.min(), rows.max() + 1, columns.max() + 1])


def light(data: dict[str, tf.Tensor], number: int) -> dict[str, np.ndarray]:
    """What `light` makes, its image as grey levels again."""
    found = {key: value.numpy() for key, value in augment.light(data, seed(number)).items()}
    return found | {"image": found["image"] * STD + MEAN}


def test_mirrored():
    data = picture(BOXES)
    data["image"] = augment.resize(data["image"], 120, 120)
    turned = set()
    for number in range(20):
        found = light(data, number)
        turned.add(bool((found["boxes"][0] != data["boxes"][0]).numpy().any()))
        for channel in range(2):
            assert_at(found["image"], channel, found["boxes"][channel] * 120)
    assert turned == {True, False}


def assert_at(image: np.ndarray, channel: int, corners: np.ndarray) -> None:
    """Within its box a channel is brighter than the others, elsewhere it is not."""
    others = image[..., [other for other in range(3) if other != channel]].max(axis=-1)
    rows, columns = np.nonzero(image[..., channel] > others + 20)
    np.testing.assert_allclose([rows.min(), columns.min(), rows.max() + 1, columns.max() + 1], corners, atol=2)


def test_placed_boxes_are_where_the_pixels_are():
    data = picture(BOXES)
    areas, kept = [], set()
    for number in range(60):
        found = augment.place(data, seed(number), SIZE)
        image, boxes = found["image"].numpy(), found["boxes"].numpy()
        assert image.shape == (SIZE, SIZE, 3)
        assert len(boxes) == len(found["classes"])
        assert len(boxes) > 0
        assert (boxes >= -1e-6).all()
        assert (boxes <= 1 + 1e-6).all()
        for corners, number_of_class in zip(boxes, found["classes"].numpy(), strict=True):
            np.testing.assert_allclose(seen(image, number_of_class - 1), corners * SIZE, atol=2.5)
        kept.add(len(boxes))
        areas.append((boxes[0, 2] - boxes[0, 0]) * (boxes[0, 3] - boxes[0, 1]))
    assert kept == {1, 2}
    assert min(areas) < 0.5 * 0.06 < 2 * 0.06 < max(areas)  # smaller and larger than they were


def test_a_picture_without_boxes_may_be_cropped():
    data = picture(np.empty((0, 4)))
    for number in range(20):
        found = augment.place(data, seed(number), SIZE)
        assert found["boxes"].shape == (0, 4)
        assert np.isfinite(found["image"]).all()


def test_other_light_is_within_grey_levels_and_what_it_says():
    image = tf.random.stateless_uniform([SIZE, SIZE, 3], [0, 1], 0, 255)
    mix, level = np.random.default_rng(0).uniform(-0.5, 1, (3, 3)).astype(np.float32), 20.0
    for mirrored in (False, True):
        expected = np.clip(image.numpy() @ mix + level, 0, 255)
        expected = expected[:, ::-1] if mirrored else expected
        found = augment.relit(image, mix, level, mirrored)
        np.testing.assert_allclose(found, (expected - MEAN) / STD, atol=1e-4)
    data = {"image": image, "boxes": tf.zeros([0, 4]), "classes": tf.zeros([0], tf.int32)}
    means = [light(data, number)["image"].mean() for number in range(20)]
    assert max(means) - min(means) > 20


@pytest.mark.parametrize("what", [augment.light, lambda data, one: augment.place(data, one, SIZE)])
def test_the_same_seed_does_the_same(what):
    data = picture(BOXES)
    data["image"] = augment.resize(data["image"], SIZE, SIZE)
    for number in range(5):
        first, second = what(data, seed(number)), what(data, seed(number))
        for key in first:
            np.testing.assert_array_equal(first[key], second[key])
