"""Training sees the contract's pixels and boxes, in an order that a seed and a place in it decide."""

from __future__ import annotations

import augment
import numpy as np
import pytest
import tensorflow as tf
from architectures import ARCHITECTURES
from inputs import Batches, normalise, resize
from pictures import Pictures
from PIL import Image
from recipe import MEAN, STD
from targets import NOTHING, Anchors

from isomer.dataset import canonical
from isomer.dataset.canonical import Box, Picture
from isomer.errors import UserError
from isomer.stream import Stream

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
    np.testing.assert_array_equal(augment.resize(tf.constant(pixels), SIZE, SIZE), resize(pixels, SIZE))


def test_normalise():
    pixels = np.stack([MEAN, np.add(MEAN, STD)]).astype(np.float32)
    np.testing.assert_allclose(normalise(tf.constant(pixels)), [[0, 0, 0], [1, 1, 1]], atol=1e-5)


@pytest.fixture
def split(tmp_path):
    """Six pictures in the modes and formats that datasets have, twice as wide as high; one lies on its side."""
    random = np.random.default_rng(1)
    kinds = {"a.jpg": "RGB", "b.jpg": "L", "c.png": "RGB", "d.png": "P", "e.png": "RGBA"}
    (tmp_path / canonical.IMAGES).mkdir()
    pictures = []
    for name, mode in kinds.items():
        coarse = Image.fromarray(random.integers(0, 256, (6, 12, 3), dtype=np.uint8))
        coarse.resize((120, 60)).convert(mode).save(tmp_path / canonical.IMAGES / name)
        pictures.append(Picture(0, name, 120, 60, (Box(2, 12, 6, 60, 30), Box(1, 0, 0, 120, 60, crowd=True))))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    lying = Image.fromarray(random.integers(0, 256, (120, 60, 3), dtype=np.uint8))
    lying.save(tmp_path / canonical.IMAGES / "f.jpg", exif=exif)
    pictures.append(Picture(0, "f.jpg", 120, 60, (Box(2, 12, 6, 60, 30), Box(1, 120, 0, 40, 60))))
    return canonical.write(tmp_path, ("one", "two"), {"train": tuple(pictures)}, {}).split("train")


@pytest.mark.parametrize("cache", ["memory", "none"])
@pytest.mark.parametrize("whole", [False, True])
def test_a_picture_gives_the_contracts_pixels_and_boxes(split, tmp_path, cache, whole):
    pictures = Pictures(split, SIZE, whole, cache, workers=2)
    if not pictures.kept:
        pictures.use_files(tmp_path / "pictures", writes=True)
        assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["4.png", "5.png", "6.png"]
    load = tf.function(pictures.load)
    for index, picture in enumerate(split.pictures):
        sample = load(tf.constant(index))
        pixels = split.load(picture)
        if whole:
            np.testing.assert_array_equal(sample["image"], pixels)
        else:
            assert np.abs(sample["image"] - bilinear(pixels, SIZE)).max() < 0.01
        # neither crowds, nor what has nothing in the picture
        np.testing.assert_allclose(sample["boxes"], [[0.1, 0.1, 0.6, 0.6]], atol=1e-6)
        assert sample["classes"].numpy().tolist() == [2]


@pytest.mark.parametrize("cache", ["memory", "none"])
def test_an_unreadable_picture_is_named(split, tmp_path, cache):
    split.path(split.pictures[2]).write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"c\.png"):
        Pictures(split, SIZE, False, cache, workers=1).use_files(tmp_path / "pictures", writes=True)


def test_a_picture_of_another_size_than_the_dataset_says_is_named(split):
    Image.new("RGB", (50, 40)).save(split.path(split.pictures[0]))
    with pytest.raises(UserError, match=r"a\.jpg is 50×40 pixels, the dataset says 120×60"):
        Pictures(split, SIZE, False, "memory", workers=1)


def test_too_much_is_not_kept(split, monkeypatch):
    monkeypatch.setattr("isomer.memory.available", lambda: 100_000)
    assert not Pictures(split, SIZE, False, "auto", workers=1).kept
    monkeypatch.setattr("isomer.memory.available", lambda: 100_000_000)
    assert Pictures(split, SIZE, False, "auto", workers=1).kept


def batches(split, kind="light", batch=4, seed=0) -> Batches:
    pictures = Pictures(split, SIZE, kind == "ssd", "memory", workers=1)
    return Batches(pictures, Anchors(LIGHT, SIZE), Stream(split.pictures, seed, False), batch, kind, workers=2)


@pytest.mark.parametrize("kind", ["none", "light", "ssd"])
def test_a_resumed_stream_goes_on_where_it_stopped(split, kind):
    stream = batches(split, kind)
    whole = [tf.nest.map_structure(np.asarray, batch) for batch in stream.after(0).take(5)]
    rest = [tf.nest.map_structure(np.asarray, batch) for batch in batches(split, kind).after(3).take(2)]
    tf.nest.map_structure(np.testing.assert_array_equal, whole[3:], rest)
    other = next(iter(batches(split, kind, seed=1).after(0)))
    assert not np.array_equal(other[0], whole[0][0])


def test_every_picture_once_an_epoch_whoever_reads_it(split):
    """Two processes of two steps each, as one of one."""
    stream = batches(split, "none", batch=2)
    one = [batch[0].numpy() for batch in stream.after(0).take(3)]
    parts = [
        [batch[0].numpy() for batch in stream.after(0, tf.distribute.InputContext(2, index, 2)).take(3)]
        for index in range(2)
    ]
    for step in range(3):
        np.testing.assert_array_equal(np.concatenate([part[step] for part in parts]), one[step])
    seen = sorted(np.concatenate(one).sum(axis=(1, 2, 3)).round(0))
    expected = sorted(
        float(tf.reduce_sum(normalise(resize(split.load(picture)[None], SIZE)))) for picture in split.pictures
    )
    np.testing.assert_allclose(seen, np.round(expected), atol=2)


def test_a_steps_pictures_have_names(split):
    names = [name for step in (1, 2, 3) for name in batches(split, batch=2).names(step)]
    assert sorted(names) == [picture.file_name for picture in split.pictures]


def test_targets_point_at_the_box():
    anchors = Anchors(LIGHT, 160)
    classes, deltas = anchors.assign(tf.constant([[0.25, 0.25, 0.5, 0.75]]), tf.constant([3]))
    (positive,) = np.nonzero(classes != NOTHING)
    assert len(positive) > 0
    assert (classes.numpy()[positive] == 3).all()
    corners = anchors.corners[positive]
    high, wide = corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]
    centres_y = (corners[:, 0] + corners[:, 2]) / 2 + deltas.numpy()[positive, 0] * high
    np.testing.assert_allclose(centres_y, 0.375 * 160, atol=0.01)
    np.testing.assert_allclose(np.exp(deltas.numpy()[positive, 3]) * wide, 0.5 * 160, atol=0.01)
