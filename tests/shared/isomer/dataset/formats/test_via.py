"""VIA's regions become boxes; their class is whatever attribute is called like one."""

import json
import math

import pytest

from isomer.dataset.formats import via
from isomer.dataset.source import AnnotationError, SourceBox

RECT = {"name": "rect", "x": 1, "y": 2, "width": 10, "height": 20}
BOX = SourceBox("cat", 1, 2, 10, 20)


def region(shape: dict, **attributes: object) -> dict:
    return {"shape_attributes": shape, "region_attributes": attributes}


def entry(*regions: dict) -> dict:
    return {"filename": "a.jpg", "size": 1234, "regions": list(regions), "file_attributes": {}}


def boxes(tree_of, *regions: dict):
    (picture,) = via.read(tree_of({"via.json": {"a.jpg1234": entry(*regions)}})).pictures
    return picture.boxes


@pytest.mark.parametrize(
    "value",
    [
        {"a.jpg1234": entry(region(RECT, label="cat"))},
        {"a.jpg1234": {**entry(), "regions": {"0": region(RECT, label="cat")}}},
        {"_via_settings": {}, "_via_img_metadata": {"a.jpg1234": entry(region(RECT, label="cat"))}},
    ],
)
def test_versions_and_projects(tree_of, value):
    reading = via.read(tree_of({"train/via.json": value}))
    assert [(item.names, item.boxes, item.split) for item in reading.pictures] == [(("a.jpg",), (BOX,), "train")]


@pytest.mark.parametrize("mark", ["", "#"])
def test_csv(tree_of, mark):
    header = f"{mark}filename,file_size,region_count,region_id,region_shape_attributes,region_attributes"
    cells = [json.dumps(cell).replace('"', '""') for cell in (RECT, {"label": "cat"})]
    text = f'{header}\na.jpg,1234,1,0,"{cells[0]}","{cells[1]}"\nb.jpg,99,0,0,"{{}}","{{}}"\n'
    reading = via.read(tree_of({"via.csv": text}))
    assert [(item.names[0], item.boxes) for item in reading.pictures] == [("a.jpg", (BOX,)), ("b.jpg", ())]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ({"name": "polygon", "all_points_x": [1, 11, 6], "all_points_y": [5, 2, 22]}, (1, 2, 10, 20)),
        ({"name": "circle", "cx": 10, "cy": 20, "r": 3}, (7, 17, 6, 6)),
        ({"name": "ellipse", "cx": 10, "cy": 20, "rx": 3, "ry": 5}, (7, 15, 6, 10)),
        ({"name": "ellipse", "cx": 10, "cy": 20, "rx": 5, "ry": 3, "theta": math.pi / 2}, (7, 15, 6, 10)),
    ],
)
def test_shapes(tree_of, shape, expected):
    (box,) = boxes(tree_of, region(shape, label="cat"))
    assert (box.x, box.y, box.width, box.height) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"colour": "red", "Class": " cat "}, "cat"),
        ({"animal": "cat"}, "cat"),
        ({"type": {"dog": False, "cat": True}}, "cat"),
        ({}, "object"),
    ],
)
def test_the_class_is_the_attribute_called_like_one_or_the_only_one(tree_of, attributes, expected):
    assert boxes(tree_of, region(RECT, **attributes))[0].label == expected


def test_attributes_that_say_nothing_are_an_error(tree_of):
    with pytest.raises(AnnotationError, match="no attribute of colour, size is called like a class"):
        via.class_attribute([via.Region({}, {"colour": "red"}), via.Region({}, {"size": "big"})])


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (region(RECT, label=""), "without a class in its attribute label"),
        (region({"name": "point", "cx": 1, "cy": 2}, label="cat"), "drawn as point, which has no area"),
        (region({"name": "rect", "x": 1}, label="cat"), "drawn as rect without its numbers"),
        ({"region_attributes": {"label": "cat"}}, "drawn as None"),
    ],
)
def test_regions_that_cannot_be_used_are_named(tree_of, one, reason):
    reading = via.read(tree_of({"via.json": {"a": entry(region(RECT, label="cat"), one)}}))
    assert reading.pictures[0].boxes == (BOX,)
    assert [(reason in item.reason, item.name) for item in reading.left_out] == [(True, "via.json, a.jpg, region 2")]


def test_other_files_are_none(tree_of):
    assert via.evidence(tree_of({"a.json": {"b": {"filename": "a.jpg"}}, "c.json": [1], "d.csv": "a,b"})) is None
