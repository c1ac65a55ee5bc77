"""The stream of training pictures."""

from __future__ import annotations

import data
import numpy as np
import torch
from models import build
from PIL import Image

from isomer.dataset.canonical import Box, Picture, Split


def test_resize_is_pillows_bilinear_in_floating_point_where_it_enlarges():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    found = data.resize(torch.tensor(pixels)[None], 96)[0]
    channels = [Image.fromarray(pixels[..., channel].astype(np.float32)) for channel in range(3)]
    expected = np.stack([np.asarray(one.resize((96, 96), Image.Resampling.BILINEAR)) for one in channels])
    assert np.abs(found.numpy() - expected).max() < 0.01


def test_every_epoch_has_every_picture_once_in_another_order(tmp_path):
    pictures = _stream(tmp_path, 5)
    epochs = [[int(pictures._order(epoch)[place]) for place in range(5)] for epoch in range(3)]
    assert all(sorted(epoch) == list(range(5)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_a_position_is_always_the_same(tmp_path):
    first, second = _stream(tmp_path, 3), _stream(tmp_path, 3)
    for position in (0, 7, 11):
        for left, right in zip(first[position], second[position], strict=True):
            assert torch.equal(left, right)


def test_positions_go_on_where_they_are_told():
    positions = data.Positions(6, 10)
    assert list(positions) == [6, 7, 8, 9]
    assert len(positions) == 10


def test_crowds_and_negatives():
    picture = Picture(1, "a.png", 100, 50, (Box(2, 10, 10, 20, 30), Box(1, 0, 0, 100, 50, crowd=True)))
    boxes, classes = data.labels(picture)
    np.testing.assert_allclose(boxes, [[0.2, 0.5, 0.2, 0.6]])
    assert classes.tolist() == [2]
    boxes, classes = data.labels(Picture(2, "b.png", 100, 50))
    assert boxes.shape == (0, 4)
    assert classes.shape == (0,)


def _stream(folder, count: int) -> data.TrainingPictures:
    (folder / "images").mkdir(exist_ok=True)
    pictures = []
    for number in range(count):
        Image.new("RGB", (64, 48), (40 * number, 90, 200)).save(folder / "images" / f"{number}.png")
        pictures.append(Picture(number + 1, f"{number}.png", 64, 48, (Box(1, 8, 8, 30, 30),)))
    split = Split("train", folder, ("thing",), tuple(pictures))
    return data.TrainingPictures(split, build("ssdlite320_mobilenet_v3_large", 96, 1), seed=3)
