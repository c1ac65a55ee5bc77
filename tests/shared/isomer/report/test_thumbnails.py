"""Embedded pictures keep their budget, whatever they show; few are larger than many."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from isomer.dataset.canonical import Picture, Split
from isomer.report.thumbnails import embed


def split_of(folder, *pixels: np.ndarray) -> Split:
    (folder / "images").mkdir()
    pictures = []
    for number, one in enumerate(pixels, start=1):
        Image.fromarray(one).save(folder / "images" / f"{number}.jpg", quality=95)
        pictures.append(Picture(number, f"{number}.jpg", one.shape[1], one.shape[0]))
    return Split("test", folder, ("cat",), tuple(pictures))


def opened(data: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(data.removeprefix("data:image/webp;base64,"))))


@pytest.fixture
def noise() -> np.ndarray:
    """What compresses worst."""
    return np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)


def test_noise_keeps_the_budget(tmp_path, noise):
    split = split_of(tmp_path, *([noise] * 6))
    for budget in (2_000_000, 400_000, 100_000):
        found = embed(split, split.pictures, budget)
        assert sum(map(len, found)) <= budget
        assert max(opened(found[0]).size) >= 144


def test_a_smooth_picture_is_as_large_as_it_was_and_keeps_its_colours(tmp_path):
    ramp = np.linspace(0, 255, 600).astype(np.uint8)
    smooth = np.stack([np.tile(ramp, (300, 1)), np.full((300, 600), 90, np.uint8), np.tile(ramp[::-1], (300, 1))], -1)
    split = split_of(tmp_path, smooth)
    (found,) = embed(split, split.pictures)
    assert opened(found).size == (600, 300)
    assert np.abs(np.asarray(opened(found).convert("RGB"), int) - smooth).mean() < 4


def test_a_picture_that_cannot_be_read_is_empty(tmp_path, noise):
    split = split_of(tmp_path, noise, noise)
    path = tmp_path / "images" / "1.jpg"
    path.write_bytes(path.read_bytes()[:1000])
    (tmp_path / "images" / "2.jpg").unlink()
    assert embed(split, split.pictures) == ["", ""]
