"""Label Studio's results become boxes in fractions; of several annotations the last one counts."""

import pytest

from isomer.dataset.formats import labelstudio
from isomer.dataset.source import SourceBox

BOX = SourceBox("cat", 0.25, 0.5, 0.5, 0.25)
VALUE = {"x": 25, "y": 50, "width": 50, "height": 25, "rotation": 0, "rectanglelabels": ["cat"]}


def result(value: dict, kind: str = "rectanglelabels", **more: object) -> dict:
    return {"id": "r1", "type": kind, "value": value, "original_width": 200, "original_height": 100, **more}


def task(*annotations: list[dict], image: str = "/data/upload/1/0a1b2c3d-a.jpg") -> dict:
    made = [{"result": results, "updated_at": f"2024-01-0{day}"} for day, results in enumerate(annotations, start=1)]
    return {"id": 7, "data": {"image": image}, "annotations": made}


def read(tree_of, *tasks: object):
    return labelstudio.read(tree_of({"export.json": list(tasks)}))


def same(box: SourceBox, expected: SourceBox) -> bool:
    numbers = (box.x, box.y, box.width, box.height)
    return box.label == expected.label and numbers == pytest.approx(
        (expected.x, expected.y, expected.width, expected.height)
    )


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (VALUE, "rectanglelabels", BOX),
        # 100×25 pixels turned by 90° about (50, 50): x from 25 to 50, y from 50 to 150
        (VALUE | {"rotation": 90}, "rectanglelabels", SourceBox("cat", 0.125, 0.5, 0.125, 1.0)),
        ({"points": [[25, 50], [75, 60], [30, 75]], "polygonlabels": ["cat"]}, "polygonlabels", BOX),
        ({"x": 50, "y": 62.5, "radiusX": 25, "radiusY": 12.5, "ellipselabels": ["cat"]}, "ellipselabels", BOX),
    ],
)
def test_shapes(tree_of, value, kind, expected):
    (picture,) = read(tree_of, task([result(value, kind)])).pictures
    assert same(picture.boxes[0], expected)
    assert (picture.size, picture.fractions) == ((200, 100), True)


def test_json_min(tree_of):
    label = VALUE | {"original_width": 200, "original_height": 100}
    (picture,) = read(tree_of, {"image": "a.jpg", "id": 1, "label": [label]}).pictures
    assert (picture.names, picture.size) == (("a.jpg",), (200, 100))
    assert same(picture.boxes[0], BOX)


def test_a_label_in_a_result_of_its_own(tree_of):
    shape = {key: VALUE[key] for key in ("x", "y", "width", "height")}
    pair = [result(shape, "rectangle"), result(shape | {"labels": ["cat"]}, "labels")]
    (picture,) = read(tree_of, task(pair)).pictures
    assert len(picture.boxes) == 1
    assert same(picture.boxes[0], BOX)


@pytest.mark.parametrize(
    ("address", "names"),
    [
        ("/data/upload/1/0a1b2c3d-a%20b.jpg", ("data/upload/1/0a1b2c3d-a b.jpg", "a b.jpg")),
        ("/data/local-files/?d=pets/a.jpg", ("pets/a.jpg", "a.jpg")),
        ("https://example.org/pets/a.jpg?size=1", ("pets/a.jpg", "a.jpg")),
        ("s3://bucket/pets/a.jpg", ("pets/a.jpg", "a.jpg")),
        ("a.jpg", ("a.jpg",)),
    ],
)
def test_addresses(address, names):
    assert labelstudio.names_of(address) == names


def test_the_last_annotation_counts_and_cancelled_ones_do_not(tree_of):
    one = task([result(VALUE), result(VALUE)], [result(VALUE)])
    one["annotations"].append({"result": [result(VALUE)] * 3, "was_cancelled": True, "updated_at": "2025"})
    reading = read(tree_of, one)
    assert len(reading.pictures[0].boxes) == 1
    assert [(item.reason, item.boxes) for item in reading.left_out] == [
        ("of an earlier annotation of the same picture", 2)
    ]


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (result({"rle": [1], "brushlabels": ["cat"]}, "brushlabels"), "drawn as brushlabels, which gives no outline"),
        (result({"x": 1, "y": 2, "keypointlabels": ["cat"]}, "keypointlabels"), "drawn as keypointlabels"),
        (result({**VALUE, "x": None}), "without its numbers"),
        (result({key: VALUE[key] for key in ("x", "y", "width", "height")}, "rectangle"), "without a class"),
    ],
)
def test_results_that_cannot_be_used_are_named(tree_of, one, reason):
    reading = read(tree_of, task([result(VALUE), {**one, "id": "r2"}]))
    assert len(reading.pictures[0].boxes) == 1
    assert [(reason in item.reason, item.name) for item in reading.left_out] == [(True, "export.json, task 7")]


def test_tasks_without_labels_are_negatives_and_without_pictures_are_named(tree_of):
    reading = read(tree_of, task(), {"id": 8, "data": {"text": "a cat"}, "annotations": []}, 3)
    assert [item.boxes for item in reading.pictures] == [()]
    assert [item.name for item in reading.left_out] == ["export.json, task 8", "export.json, task 3"]


def test_other_lists_are_none(tree_of):
    assert labelstudio.evidence(tree_of({"a.json": [{"data": 1}], "b.json": [], "c.json": [[1]]})) is None
