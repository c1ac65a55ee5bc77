"""Training sees the contract's pixels and boxes, in an order that a seed and a place in it decide."""

from __future__ import annotations

import inputs
import numpy as np
import pytest
import tensorflow as tf
from architectures import ARCHITECTURES
from inputs import Parser, batches, normalise, resize
from PIL import Image
from recipe import MEAN, STD
from records import prepare

from isomer.dataset import canonical
from isomer.dataset.canonical import Box, Picture

SIZE = 96
LIGHT = ARCHITECTURES["retinanet_mobilenet_v2_fpnlite"]


def bilinear(pixels: np.ndarray, size: int) -> np.ndarray:
    """The contract's resizing, written down once more: half-pixel centres, edges repeated, no antialiasing."""
    for axis in (0, 1):
        length = pixels.shape[axis]
        places = np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
        low = np.floor(places).astype(int)
        high = np.minimum(low + 1, length - 1)
        share = (places - low).reshape([-1 if this == axis else 1 for this in range(3)])
        pixels = pixels.take(low, axis) * (1 - share) + pixels.take(high, axis) * share
    return pixels


@pytest.mark.parametrize("frame", [(480, 640), (241, 317), (31, 7), (1, 1), (SIZE, SIZE)])
def test_resize(frame):
    pixels = np.random.default_rng(0).integers(0, 256, (*frame, 3), dtype=np.uint8)
    np.testing.assert_allclose(resize(pixels, SIZE), bilinear(pixels, SIZE), atol=0.02)


def test_normalise():
    pixels = np.stack([MEAN, np.add(MEAN, STD)]).astype(np.float32)
    np.testing.assert_allclose(normalise(tf.constant(pixels)), [[0, 0, 0], [1, 1, 1]], atol=1e-5)


@pytest.fixture
def dataset(tmp_path):
    """Five pictures in the modes and formats that datasets have; the first is twice as wide as high."""
    random = np.random.default_rng(1)
    kinds = {"a.jpg": "RGB", "b.jpg": "L", "c.png": "RGB", "d.png": "P", "e.png": "RGBA"}
    (tmp_path / canonical.IMAGES).mkdir()
    pictures = []
    for name, mode in kinds.items():
        coarse = Image.fromarray(random.integers(0, 256, (6, 12, 3), dtype=np.uint8))
        coarse.resize((120, 60)).convert(mode).save(tmp_path / canonical.IMAGES / name)
        pictures.append(Picture(0, name, 120, 60, (Box(2, 12, 6, 60, 30), Box(1, 0, 0, 120, 60, crowd=True))))
    return canonical.write(tmp_path, ("one", "two"), {"train": tuple(pictures)}, {})


def test_a_record_gives_the_contracts_pixels_and_boxes(dataset, tmp_path):
    split = dataset.split("train")
    records = prepare(tmp_path / "records", dataset, split)
    parser = Parser(LIGHT, SIZE)
    found = [parser.load(one) for one in tf.data.TFRecordDataset([str(path) for path in records.paths])]
    expected = [bilinear(split.load(picture), SIZE) for picture in split.pictures]
    assert len(found) == len(expected)
    for sample in found:
        assert min(np.abs(sample["image"] - pixels).max() for pixels in expected) < 0.01
        np.testing.assert_allclose(sample["boxes"], [[0.1, 0.1, 0.6, 0.6]], atol=1e-6)
        assert sample["classes"].numpy().tolist() == [2]


def test_a_flip_mirrors_pixels_and_boxes():
    image = tf.reshape(tf.range(SIZE * SIZE * 3, dtype=tf.float32), [SIZE, SIZE, 3])
    data = {"image": image, "boxes": tf.constant([[0.1, 0.2, 0.5, 0.3]]), "classes": tf.constant([1])}
    parser = Parser(LIGHT, SIZE)
    seen = set()
    for number in range(20):
        found = parser.augment(data, tf.constant([0, number]))
        flipped = bool(found["image"][0, 0, 0] != 0)
        expected = ([[0.1, 0.7, 0.5, 0.8]], image[:, ::-1]) if flipped else (data["boxes"], image)
        np.testing.assert_allclose(found["boxes"], expected[0], atol=1e-6)
        np.testing.assert_array_equal(found["image"], expected[1])
        seen.add(flipped)
    assert seen == {True, False}


def test_targets_point_at_the_box():
    size, parser = 160, Parser(LIGHT, 160)
    data = {
        "image": tf.zeros([size, size, 3]),
        "boxes": tf.constant([[0.25, 0.25, 0.5, 0.75]]),
        "classes": tf.constant([3]),
    }
    _, targets = parser.parse_fn(is_training=True)(data)
    classes = np.concatenate([values.numpy().ravel() for values in targets["cls_targets"].values()])
    deltas = np.concatenate([values.numpy().reshape(-1, 4) for values in targets["box_targets"].values()])
    anchors = np.concatenate([values.numpy().reshape(-1, 4) for values in parser.anchors.values()])
    (positive,) = np.nonzero(targets["box_weights"])
    assert len(positive) > 0
    assert (classes[positive] == 3).all()
    assert set(classes[targets["box_weights"].numpy() == 0]) == {-1}
    high, wide = anchors[positive, 2] - anchors[positive, 0], anchors[positive, 3] - anchors[positive, 1]
    centres_y = (anchors[positive, 0] + anchors[positive, 2]) / 2 + deltas[positive, 0] * high
    np.testing.assert_allclose(centres_y, 0.375 * size, atol=0.01)
    np.testing.assert_allclose(np.exp(deltas[positive, 3]) * wide, 0.5 * size, atol=0.01)


@pytest.mark.parametrize("cache_bytes", [0, inputs.CACHE_BYTES])
def test_a_resumed_stream_goes_on_where_it_stopped(dataset, tmp_path, monkeypatch, cache_bytes):
    monkeypatch.setattr(inputs, "CACHE_BYTES", cache_bytes)
    records = prepare(tmp_path / "records", dataset, dataset.split("train"))
    parser = Parser(LIGHT, SIZE)

    def images(first_sample: int, count: int) -> list[np.ndarray]:
        stream = batches(records, parser, 2, seed=0, first_sample=first_sample)
        return [batch.numpy() for batch, _ in stream.take(count)]

    whole = images(0, 8)  # 16 samples of 5 pictures
    np.testing.assert_array_equal(whole[4:], images(8, 4))
    epochs = np.concatenate(whole)[:15].reshape(3, 5, -1)
    sums = [sorted(np.abs(epoch).sum(axis=1).round(-1)) for epoch in epochs]  # a flip does not change them
    np.testing.assert_allclose(sums[0], sums[1])
    np.testing.assert_allclose(sums[0], sums[2])
