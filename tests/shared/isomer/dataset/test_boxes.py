"""Boxes find their frame by the size their annotation gives, and are clipped to the picture."""

import pytest

from isomer.dataset import boxes
from isomer.dataset.boxes import BoxError, Frame
from isomer.dataset.pictures import Header
from isomer.dataset.source import SourceBox

LANDSCAPE = Header(60, 40, 1, "JPEG", ())
QUARTER = Header(60, 40, 6, "JPEG", ())  # shown 40 wide, 60 high
HALF = Header(60, 40, 3, "JPEG", ())


def box(x: float, y: float, width: float, height: float) -> SourceBox:
    return SourceBox("cat", x, y, width, height)


@pytest.mark.parametrize(
    ("header", "size", "expected"),
    [
        (QUARTER, (60, 40), Frame.STORED),
        (QUARTER, (40, 60), Frame.UPRIGHT),
        (QUARTER, None, None),
        (HALF, (60, 40), None),
        (LANDSCAPE, (60, 40), None),
        (QUARTER, (6, 4), None),
    ],
)
def test_a_size_gives_the_frame_away_where_it_can(header, size, expected):
    assert boxes.frame_of(header, size) is expected


def test_the_others_of_a_source_decide_where_it_cannot():
    assert boxes.majority([None, Frame.STORED, None]) is Frame.STORED
    assert boxes.majority([Frame.STORED, Frame.UPRIGHT]) is Frame.UPRIGHT
    assert boxes.majority([None]) is Frame.UPRIGHT


@pytest.mark.parametrize(
    ("size", "one", "expected"),
    [
        (None, box(0, 0, 60, 40), (1, 1)),
        ((60, 40), box(0, 0, 70, 40), (1, 1)),
        ((120, 80), box(0, 0, 120, 80), (0.5, 0.5)),
        ((30, 40), box(0, 0, 30, 40), (2, 1)),
        ((30, 20), box(0, 0, 60, 40), (1, 1)),
        ((40, 60), box(0, 0, 40, 40), (1, 1)),
    ],
)
def test_boxes_follow_a_picture_that_was_resized(size, one, expected):
    assert boxes.scale_of(LANDSCAPE, Frame.UPRIGHT, size, [one]) == expected


def test_a_picture_turned_after_annotation_is_refused():
    with pytest.raises(BoxError, match="turned since"):
        boxes.scale_of(LANDSCAPE, Frame.UPRIGHT, (40, 60), [box(0, 20, 10, 40)])


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (box(1, 2, 3, 4), box(1, 2, 3, 4)),
        (box(-5, -5, 10, 10), box(0, 0, 5, 5)),
        (box(50, 30, 20, 20), box(50, 30, 10, 10)),
        (box(-1, -1, 100, 100), box(0, 0, 60, 40)),
    ],
)
def test_boxes_are_clipped(one, expected):
    assert boxes.clipped(one, (60, 40)) == expected


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (box(1, 1, 0, 5), "no area"),
        (box(9, 9, -4, 5), "no area"),
        (box(60, 0, 5, 5), "wholly outside"),
        (box(-9, 0, 9, 5), "wholly outside"),
        (box(float("nan"), 0, 5, 5), "not finite"),
        (box(0, 0, float("inf"), 5), "not finite"),
    ],
)
def test_what_is_no_box_says_why(one, reason):
    with pytest.raises(BoxError, match=reason):
        boxes.clipped(one, (60, 40))
