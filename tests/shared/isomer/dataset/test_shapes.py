"""Drawn pictures: the same from the same seed, with boxes that fit what is seen."""

import itertools

import numpy as np

from isomer.dataset import shapes


def test_the_same_seed_draws_the_same_bytes_and_another_does_not():
    assert shapes.draw(3, "train", 7).to_jpeg() == shapes.draw(3, "train", 7).to_jpeg()
    others = [(4, "train", 7), (3, "val", 7), (3, "train", 8)]
    assert all(shapes.draw(*other).to_jpeg() != shapes.draw(3, "train", 7).to_jpeg() for other in others)


def test_pictures_are_as_varied_as_promised():
    drawings = [shapes.draw(0, "train", index) for index in range(200)]
    counts = [len(drawing.boxes) for drawing in drawings]
    assert {drawing.pixels.shape[:2] for drawing in drawings} == set(shapes.SIZES)
    assert min(counts) == 0
    assert max(counts) == shapes.MAX_OBJECTS
    assert {box.category for drawing in drawings for box in drawing.boxes} == {1, 2, 3}


def test_boxes_lie_in_the_picture_and_hardly_overlap():
    for index in range(100):
        drawing = shapes.draw(1, "test", index)
        height, width, _ = drawing.pixels.shape
        for box in drawing.boxes:
            assert box.x >= 0
            assert box.y >= 0
            assert box.x + box.width <= width + 1e-6
            assert box.y + box.height <= height + 1e-6
            assert 0.12 < max(box.width, box.height) / min(height, width) < 0.8
        for a, b in itertools.combinations(drawing.boxes, 2):
            across = max(0, min(a.x + a.width, b.x + b.width) - max(a.x, b.x))
            down = max(0, min(a.y + a.height, b.y + b.height) - max(a.y, b.y))
            assert across * down <= shapes.MAX_COVERED * min(a.width * a.height, b.width * b.height) + 1e-6


def test_boxes_enclose_exactly_what_is_drawn(monkeypatch):
    """On a black picture with white objects, the lit pixels of a lone object fill its box and nothing outside it."""
    monkeypatch.setattr(shapes, "_background", lambda rng, height, width: shapes.Image.new("RGB", (width, height)))
    monkeypatch.setattr(shapes, "_colour", lambda rng: (255, 255, 255))
    monkeypatch.setattr(shapes, "MAX_OBJECTS", 1)
    seen = 0
    for index in range(60):
        drawing = shapes.draw(2, "train", index)
        for box in drawing.boxes:
            rows, columns = np.where(drawing.pixels[..., 0] > 40)
            edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert np.abs(np.subtract(edges, [box.x, box.y, box.x + box.width, box.y + box.height])).max() < 1.5
            seen += 1
    assert seen > 40
