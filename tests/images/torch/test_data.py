"""Training pictures: pixels, labels, augmentation."""

from __future__ import annotations

import data
import numpy as np
import pytest
import torch
from loading import Positions
from models import build
from PIL import Image

from isomer.dataset.canonical import Box, Picture, Split, load_rgb
from isomer.errors import UserError
from isomer.flags import Train
from isomer.stream import Stream
from isomer.training import Plan


def test_resize_is_pillows_bilinear_in_floating_point_where_it_enlarges():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    found = data.resize(torch.tensor(pixels)[None], 96)[0]
    channels = [Image.fromarray(pixels[..., channel].astype(np.float32)) for channel in range(3)]
    expected = np.stack([np.asarray(one.resize((96, 96), Image.Resampling.BILINEAR)) for one in channels])
    assert np.abs(found.numpy() - expected).max() < 0.01


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_a_jpeg_has_the_same_pixels_as_for_everyone_else(tmp_path, mode, subsampling):
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (23, 31, 3), dtype=np.uint8)).resize((251, 187))
    options = {"subsampling": subsampling} if mode != "L" else {}
    small.convert(mode).save(tmp_path / "a.jpg", quality=83, exif=_turned(), **options)
    np.testing.assert_array_equal(data.read(tmp_path / "a.jpg").numpy(), load_rgb(tmp_path / "a.jpg"))


def test_a_jpeg_that_was_cut_off_is_named(tmp_path):
    path = tmp_path / "cut.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UserError, match=r"cut\.jpg"):
        data.read(path)


@pytest.mark.parametrize("augment", ["none", "light", "ssd"])
def test_a_position_is_always_the_same(tmp_path, augment):
    first, second = _pictures(tmp_path, 3, augment), _pictures(tmp_path, 3, augment, cache="none")
    for position in (0, 7, 11):
        for left, right in zip(first[position], second[position], strict=True):
            assert torch.equal(left, right)


def test_without_augmentation_training_sees_what_the_model_will_be_served(tmp_path):
    pictures = _pictures(tmp_path, 2, "none")
    name = pictures.name(0)
    served = data.resize(torch.tensor(load_rgb(tmp_path / "images" / name))[None], 96)
    detector = build("ssdlite320_mobilenet_v3_large", 96, 1)
    torch.testing.assert_close(pictures[0][0], detector.normalise(served)[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("world", [1, 2, 3])
def test_processes_share_every_step_and_go_on_where_they_are_told(world):
    plan = Plan.of(Train(steps=4, batch=6), pictures=10)
    shares = [list(Positions(1, plan, rank, 6 // world)) for rank in range(world)]
    assert all(len(share) == 3 * 6 // world for share in shares)
    for step in range(3):
        size = 6 // world
        seen = [position for share in shares for position in share[step * size : (step + 1) * size]]
        assert seen == list(range(6 + step * 6, 12 + step * 6))


def test_crowds_and_negatives():
    picture = Picture(1, "a.png", 100, 50, (Box(2, 10, 10, 20, 30), Box(1, 0, 0, 100, 50, crowd=True)))
    boxes, classes = data.labels(picture)
    np.testing.assert_allclose(boxes, [[10, 10, 30, 40]])
    assert classes.tolist() == [2]
    boxes, classes = data.labels(Picture(2, "b.png", 100, 50))
    assert boxes.shape == (0, 4)
    assert classes.shape == (0,)


def test_other_light_is_saturation_then_contrast_then_brightness():
    image = torch.rand(1, 3, 20, 30, generator=torch.Generator().manual_seed(0)) * 255
    rng = np.random.default_rng(5)
    saturation, contrast = rng.uniform(*data.SATURATION), rng.uniform(*data.CONTRAST)
    grey = image.mean(dim=1, keepdim=True)
    expected = grey + (image - grey) * saturation
    expected = expected.mean() + (expected - expected.mean()) * contrast
    expected = (expected + rng.uniform(-data.BRIGHTNESS, data.BRIGHTNESS)).clamp(0, 255)
    torch.testing.assert_close(data.recolour(np.random.default_rng(5), image), expected, rtol=0, atol=1e-3)


def _turned() -> Image.Exif:
    """What a camera writes that was held upright: rotate by 90°."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def _pictures(folder, count: int, augment: str, cache: str = "auto") -> data.TrainingPictures:
    (folder / "images").mkdir(exist_ok=True)
    pictures = []
    for number in range(count):
        Image.new("RGB", (64, 48), (40 * number, 90, 200)).save(folder / "images" / f"{number}.png")
        pictures.append(Picture(number + 1, f"{number}.png", 64, 48, (Box(1, 8, 8, 30, 30),)))
    split = Split("train", folder, ("thing",), tuple(pictures))
    detector = build("ssdlite320_mobilenet_v3_large", 96, 1)
    return data.TrainingPictures(split, detector, Stream(split.pictures, 3, balance=False), augment, cache, 1)
