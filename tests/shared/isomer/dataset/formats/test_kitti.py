"""KITTI's lines become boxes; DontCare regions are named."""

import pytest

from isomer.dataset.formats import kitti
from isomer.dataset.source import SourceBox

LINE = "{} 0.00 0 -1.58 587.01 173.33 614.12 200.12 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59"


def test_columns():
    boxes, left_out = kitti.parse(f"{LINE.format('Car')}\n\n{LINE.format('Person_sitting')} 0.93\n", "a.txt")
    assert [box.label for box in boxes] == ["Car", "Person_sitting"]
    box = boxes[0]
    assert (box.x, box.y, box.width, box.height) == pytest.approx((587.01, 173.33, 27.11, 26.79))
    assert left_out == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (LINE.format("DontCare"), "labelled DontCare"),
        (LINE.format("Car").replace("587.01", "left"), "without its numbers"),
        ("Car 0 0 1 2 3 4 5", "a line of 8 columns"),
        (LINE.format("7"), "without a type"),
    ],
)
def test_lines_that_cannot_be_used_are_named(line, reason):
    boxes, left_out = kitti.parse(f"{LINE.format('Car')}\n{line}\n", "a.txt")
    assert len(boxes) == 1
    assert [(reason in item.reason, item.name) for item in left_out] == [(True, "a.txt, line 2")]


def test_labels_find_pictures_in_the_folder_beside(tree_of):
    files = {"training/image_2/000001.png": "", "training/label_2/000001.txt": LINE.format("Car"), "readme.txt": "x"}
    tree = tree_of(files)
    (picture,) = kitti.read(tree).pictures
    assert tree.find_picture(picture) == ["training/image_2/000001.png"]
    assert isinstance(picture.boxes[0], SourceBox)
    assert "label_2/000001.txt" in kitti.evidence(tree)
    assert kitti.evidence(tree_of({"training/label_2/000001.txt": "0 0.5 0.5 0.1 0.1"})) is None
