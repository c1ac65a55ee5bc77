"""COCO JSON becomes boxes: any layout, any category ids, polygons where there is no bbox."""

import json
from pathlib import Path

import pytest

from isomer.dataset.formats import coco
from isomer.dataset.source import SourceBox, Tree

IMAGE = {"id": 7, "file_name": "a.jpg", "width": 64, "height": 48}
CATEGORIES = [{"id": 3, "name": "dog"}, {"id": 0, "name": "pets", "supercategory": "none"}, {"id": 1, "name": "cat"}]


def value(*annotations: dict, **others: object) -> dict:
    made = [{"id": number, "image_id": 7, "category_id": 1} | item for number, item in enumerate(annotations)]
    return {"images": [IMAGE], "annotations": made, "categories": CATEGORIES} | others


def boxes(*annotations: dict) -> tuple[SourceBox, ...]:
    return coco.parse(value(*annotations), "a.json").pictures[0].boxes


def test_boxes_names_and_sizes():
    reading = coco.parse(value({"bbox": [1, 2, 3.5, 4], "category_id": 3}, {"bbox": [0, 0, 1, 1]}), "a.json")
    assert reading.pictures[0].boxes == (SourceBox("dog", 1, 2, 3.5, 4), SourceBox("cat", 0, 0, 1, 1))
    assert reading.pictures[0].size == (64, 48)
    assert reading.labels == ("pets", "cat", "dog")


def test_crowds_stay_crowds():
    assert boxes({"bbox": [1, 2, 3, 4], "iscrowd": 1})[0].crowd


def test_polygons_give_the_box_where_there_is_none():
    polygons = [[10, 5, 20, 5, 20, 30], [4, 8, 6, 8, 6, 9.5]]
    expected = SourceBox("cat", 4, 5, 16, 25)
    assert boxes({"segmentation": polygons}, {"segmentation": polygons, "bbox": []}) == (expected, expected)


def test_run_lengths_give_the_box_where_there_is_none():
    # column by column: 12 zeros, 3 ones (column 1, rows 2 to 4), 7 zeros, 3 ones (column 2, the same rows)
    mask = {"size": [10, 10], "counts": [12, 3, 7, 3, 75]}
    assert boxes({"segmentation": mask}) == (SourceBox("cat", 1, 2, 2, 3),)


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        ({"bbox": [1, 2, 3]}, "without four numbers"),
        ({}, "without four numbers"),
        ({"segmentation": []}, "without four numbers"),
        ({"bbox": [1, 2, 3, 4], "category_id": 9}, "of category 9, which has no name"),
        ({"bbox": [1, 2, 3, 4], "image_id": 8}, 'not in "images"'),
    ],
)
def test_annotations_that_cannot_be_used_are_named(annotation, reason):
    reading = coco.parse(value({"bbox": [1, 2, 3, 4]}, annotation), "a.json")
    assert len(reading.pictures[0].boxes) == 1
    assert [(reason in item.reason, item.name) for item in reading.left_out] == [(True, "a.json, annotation 1")]


def write(folder: Path, files: dict[str, object]) -> Tree:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return Tree(folder)


@pytest.mark.parametrize(
    "names",
    [
        ("annotations/instances_train2017.json", "annotations/instances_val2017.json"),
        ("train/_annotations.coco.json", "valid/_annotations.coco.json"),
        ("train.json", "val.json"),
    ],
)
def test_layouts_give_the_splits(tmp_path, names):
    reading = coco.read(write(tmp_path, dict.fromkeys(names, value())))
    assert [item.split for item in reading.pictures] == ["train", "val"]
    assert reading.splits == {"train", "val"}


def test_captions_and_key_points_beside_the_instances_are_not_read(tmp_path):
    files = {
        "annotations/captions_val2017.json": {"images": [IMAGE], "annotations": [{"image_id": 7, "caption": "a cat"}]},
        "annotations/instances_val2017.json": value({"bbox": [1, 2, 3, 4]}),
        "annotations/person_keypoints_val2017.json": value({"bbox": [1, 1, 9, 9]}),
    }
    reading = coco.read(write(tmp_path, files))
    assert [item.annotation for item in reading.pictures] == ["annotations/instances_val2017.json"]
    assert reading.left_out == []


def test_a_broken_file_is_named_and_other_json_is_no_matter(tmp_path):
    files = {"train.json": value(), "val.json": json.dumps(value())[:-5], "settings.json": "[1, 2]", "notes.json": "{"}
    reading = coco.read(write(tmp_path, files))
    assert [item.name for item in reading.left_out] == ["val.json"]
    assert len(reading.pictures) == 1


def test_licences_are_kept(tmp_path):
    reading = coco.read(write(tmp_path, {"a.json": value(licenses=[{"id": 1, "name": "CC BY 4.0"}, {"id": 2}])}))
    assert reading.licence == "CC BY 4.0"
