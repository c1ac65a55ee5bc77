"""LabelMe's shapes become boxes; regions to ignore and lines are named."""

import base64
import io

import pytest
from PIL import Image

from isomer.dataset.formats import labelme
from isomer.dataset.source import SourceBox


def value(*shapes: dict, **more: object) -> dict:
    return {
        "shapes": list(shapes),
        "imagePath": "a.jpg",
        "imageData": None,
        "imageWidth": 64,
        "imageHeight": 48,
        **more,
    }


def shape(kind: str, *points: tuple[float, float], label: str = "cat", group: int | None = None) -> dict:
    return {"label": label, "shape_type": kind, "points": points, "group_id": group}


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (shape("rectangle", (11, 22), (1, 2)), SourceBox("cat", 1, 2, 10, 20)),
        (shape("polygon", (1, 5), (11, 2), (6, 22)), SourceBox("cat", 1, 2, 10, 20)),
        (shape("circle", (10, 20), (13, 24)), SourceBox("cat", 5, 15, 10, 10)),
        (shape("mask", (1, 2), (11, 22)), SourceBox("cat", 1, 2, 10, 20)),
        ({"label": "cat", "points": [[1, 5], [11, 2], [6, 22]]}, SourceBox("cat", 1, 2, 10, 20)),
    ],
)
def test_shapes(one, expected):
    picture, left_out = labelme.parse(value(one), "a.json")
    assert picture.boxes == (expected,)
    assert (picture.size, left_out) == ((64, 48), [])


def test_shapes_of_one_label_and_group_are_one_object():
    parts = [shape("rectangle", (x, x), (x + 5, x + 9), group=0) for x in (1, 10)]
    alone = [shape("rectangle", (1, 1), (5, 5)), shape("rectangle", (1, 1), (5, 5), label="dog", group=0)]
    picture, _ = labelme.parse(value(*parts, *alone), "a.json")
    assert picture.boxes == (SourceBox("cat", 1, 1, 14, 18), SourceBox("cat", 1, 1, 4, 4), SourceBox("dog", 1, 1, 4, 4))


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (shape("polygon", (1, 5), (11, 2), (6, 22), label="__ignore__"), "labelled __ignore__"),
        (shape("point", (1, 5)), "drawn as point"),
        (shape("linestrip", (1, 5), (2, 9)), "drawn as linestrip"),
        (shape("polygon", (1, 5), (2, 9)), "polygon of 2 points"),
        (shape("rectangle", (1, 5)), "rectangle of 1 points"),
        (shape("rectangle", (1, 5), (2, 9), label=" "), "without a class name"),
        ({"label": "cat"}, "without points"),
        ("cat", "that is none"),
    ],
)
def test_shapes_that_cannot_be_used_are_named(one, reason):
    picture, left_out = labelme.parse(value(shape("rectangle", (1, 2), (11, 22)), one), "a.json")
    assert len(picture.boxes) == 1
    assert [(reason in item.reason, item.name) for item in left_out] == [(True, "a.json, shape 2")]


def test_the_picture_beside_the_file_goes_before_the_one_inside(tree_of):
    stream = io.BytesIO()
    Image.new("RGB", (64, 48)).save(stream, "PNG")
    inside = base64.b64encode(stream.getvalue()).decode()
    files = {f"{stem}.json": value(imagePath=f"..\\{stem}.png", imageData=inside) for stem in "ab"}
    tree = tree_of({**files, "a.png": b"beside", "c.json": value(imageData="%%%", imagePath="c.png")})
    a, b, c = labelme.read(tree).pictures
    assert tree.find_picture(a) == ["a.png"]
    assert tree.find_picture(b) == ["b.png"]
    assert b.embedded.load() == stream.getvalue()
    assert c.embedded.load() == b""


def test_broken_files_are_named_and_other_json_is_no_matter(tree_of):
    reading = labelme.read(tree_of({"a.json": value(), "b.json": '{"shapes": [', "c.json": [1], "d.json": "{"}))
    assert [item.name for item in reading.left_out] == ["b.json"]
    assert [item.annotation for item in reading.pictures] == ["a.json"]
    assert labelme.evidence(tree_of({"a.json": value()})).startswith("1 .json files")
