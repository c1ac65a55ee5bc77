"""Zooming out and cropping: the pixels of torchvision's own canvas and crop, and boxes where their pixels are."""

from __future__ import annotations

import crops
import numpy as np
import pytest
import torch
from crops import Window
from data import resize
from torchvision.transforms.v2 import functional

SIZE = 96
FILL = (124.0, 116.0, 104.0)


@pytest.mark.parametrize(
    "window",
    [Window(0, 0, 160, 120), Window(-70, -31, 400, 333), Window(13, 40, 90, 61), Window(-20, 30, 77, 140)],
    ids=["whole", "zoomed out", "cropped", "both"],
)
@pytest.mark.parametrize("size", [SIZE, 200])
def test_pixels_are_those_of_a_canvas_that_is_cropped_and_resized(window, size):
    pixels = torch.randint(0, 256, (120, 160, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    margin = 400
    canvas = functional.pad(pixels.permute(2, 0, 1), [margin], fill=list(FILL))
    part = functional.crop(canvas, window.y + margin, window.x + margin, window.height, window.width)
    expected = resize(part.permute(1, 2, 0)[None], size)
    torch.testing.assert_close(crops.look(pixels, window, size, FILL), expected, rtol=0, atol=0.01)


def test_boxes_are_where_their_pixels_are():
    boxes = np.array([[16.0, 12, 56, 60], [90, 66, 144, 108]])
    pixels = torch.zeros(120, 160, 3, dtype=torch.uint8)
    for channel, (xmin, ymin, xmax, ymax) in enumerate(boxes.astype(int)):
        pixels[ymin:ymax, xmin:xmax, channel] = 250
    rng = np.random.default_rng(0)
    areas, lost = [], 0
    for _ in range(80):
        window = crops.draw(rng, 160, 120, boxes)
        image = crops.look(pixels, window, SIZE, (0.0, 0.0, 0.0))[0]
        placed, classes = window.place(boxes, np.array([1, 2]))
        assert len(placed) == len(classes) > 0
        lost += len(placed) < 2
        areas.append(window.width * window.height / (160 * 120))
        for (x, y, width, height), category in zip(placed * SIZE, classes, strict=True):
            rows, columns = np.nonzero(image[category - 1].numpy() > 125)
            found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            expected = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
            np.testing.assert_allclose(found, expected, atol=1.2)
    assert min(areas) < 0.5 and max(areas) > 4, "some are cropped, some zoomed out"
    assert lost > 5, "some crops leave a box out"


def test_a_picture_without_boxes_is_only_zoomed_out():
    rng = np.random.default_rng(0)
    windows = [crops.draw(rng, 50, 40, np.zeros((0, 4))) for _ in range(20)]
    assert {window.width >= 50 and window.height >= 40 for window in windows} == {True}
    boxes, classes = windows[0].place(np.zeros((0, 4)), np.zeros(0, dtype=np.int64))
    assert boxes.shape == (0, 4)
    assert classes.shape == (0,)


def test_a_sliver_of_a_box_is_none():
    boxes, _ = Window(10, 0, 80, 80).place(np.array([[0.0, 0, 20.5, 30], [40, 40, 40.5, 60]]), np.array([1, 1]))
    np.testing.assert_allclose(boxes * 80, [[5.25, 15, 10.5, 30], [30.25, 50, 0.5, 20]])
    boxes, _ = Window(10, 0, 80, 80).place(np.array([[-10.0, 0, 30.5, 30], [89.5, 0, 91, 30]]), np.array([1, 1]))
    assert len(boxes) == 1
