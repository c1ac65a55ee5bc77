"""Pictures that show the same are found, others are not, and cost stays linear."""

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from isomer.dataset import alike, shapes


def drawn(number: int) -> Image.Image:
    return Image.open(io.BytesIO(shapes.draw(3, "train", number).to_jpeg())).convert("RGB")


def saved(image: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(stream)


def groups(images: dict[str, Image.Image]) -> dict[str, str]:
    prints = {name: alike.fingerprint(image) for name, image in images.items()}
    return alike.groups(prints, {name: name for name in images})


@pytest.mark.parametrize(
    "change",
    [
        lambda image: saved(image, 40),
        lambda image: image.resize((image.width // 2, image.height // 2)),
        lambda image: ImageEnhance.Brightness(image).enhance(1.05),
        lambda image: image.convert("L"),
    ],
)
def test_copies_are_found_among_others(change):
    images = {f"{number}": drawn(number) for number in range(40)}
    assert groups({**images, "copy": change(images["7"])}) == {"7": "7", "copy": "7"}


def test_equal_bytes_are_alike_whatever_they_show():
    flat = alike.fingerprint(Image.new("RGB", (64, 48)))
    assert flat == b""
    assert alike.groups(dict.fromkeys("abc", flat), {"a": "1", "b": "1", "c": "2"}) == {"a": "a", "b": "a"}


def test_sixteen_bits_are_not_all_white():
    deep = np.random.default_rng(0).integers(0, 4096, (64, 64), np.uint16)
    assert alike.fingerprint(Image.fromarray(deep)) != b""


def test_chains_are_one_group():
    cells = np.random.default_rng(0).integers(60, 200, 81, np.uint8)
    prints = {f"{step:02}": (cells + step * np.eye(1, 81, 40, np.uint8)[0]).tobytes() for step in range(0, 40, 2)}
    assert set(alike.groups(prints, {name: name for name in prints}).values()) == {"00"}
