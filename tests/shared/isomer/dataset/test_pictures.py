"""Picture files become upright 8-bit RGB or grey; boxes turn with them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from isomer.dataset import pictures
from isomer.dataset.pictures import PictureError

WHITE = (10, 5, 30, 10)  # x, y, width, height of a white rectangle on black


def rectangle() -> Image.Image:
    pixels = np.zeros((40, 60, 3), np.uint8)
    x, y, width, height = WHITE
    pixels[y : y + height, x : x + width] = 255
    return Image.fromarray(pixels)


def stored(path: Path, target: Path) -> Image.Image:
    pictures.store(path, pictures.inspect(path), target, link=False)
    return Image.open(target)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_and_its_box_are_turned_alike(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    rectangle().save(tmp_path / f"a.{suffix}", exif=exif)
    header = pictures.inspect(tmp_path / f"a.{suffix}")
    upright = stored(tmp_path / f"a.{suffix}", tmp_path / "b")
    assert upright.size == header.upright_size
    assert upright.getexif().get(274, 1) == 1
    rows, columns = np.where(np.asarray(upright)[..., 0] > 128)
    seen = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
    assert header.upright_box(*WHITE) == seen


@pytest.mark.parametrize(
    ("mode", "suffix", "expected"),
    [
        ("RGB", "jpg", "RGB"),
        ("L", "jpg", "L"),
        ("RGB", "png", "RGB"),
        ("CMYK", "jpg", "RGB"),
        ("P", "png", "RGB"),
        ("RGBA", "png", "RGB"),
        ("LA", "png", "L"),
        ("1", "png", "L"),
        ("RGB", "bmp", "RGB"),
        ("P", "gif", "RGB"),
    ],
)
def test_every_mode_becomes_rgb_or_grey(tmp_path, mode, suffix, expected):
    path = tmp_path / f"a.{suffix}"
    rectangle().convert(mode).save(path, optimize=True)  # not how pictures are saved when they are converted
    made = stored(path, tmp_path / "b")
    assert (made.format, made.mode) in {("JPEG", expected), ("PNG", expected)}
    difference = np.asarray(made.convert("L"), int) - np.asarray(rectangle().convert("L"), int)
    assert np.abs(difference).mean() < 3
    if mode in ("RGB", "L") and suffix in ("jpg", "png"):
        assert (tmp_path / "b").read_bytes() == path.read_bytes()


def test_of_sixteen_bits_the_upper_eight_are_kept(tmp_path):
    deep = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    Image.fromarray(deep).save(tmp_path / "a.png")
    assert np.array_equal(np.asarray(stored(tmp_path / "a.png", tmp_path / "b")), deep >> 8)


def test_links_share_the_file(tmp_path):
    rectangle().save(tmp_path / "a.png")
    header = pictures.inspect(tmp_path / "a.png")
    assert pictures.store(tmp_path / "a.png", header, tmp_path / "b.png", link=True)
    assert (tmp_path / "b.png").samefile(tmp_path / "a.png")


def test_what_is_no_whole_picture_is_refused(tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("no picture")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.jpg")
    data = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    for name, reason in (("empty", "is empty"), ("text", "no picture"), ("cut", "truncated")):
        with pytest.raises(PictureError, match=reason):
            stored(tmp_path / f"{name}.jpg", tmp_path / "b.jpg")
