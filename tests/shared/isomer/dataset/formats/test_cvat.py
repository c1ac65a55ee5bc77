"""CVAT's shapes become boxes, with or without a task around them."""

import pytest

from isomer.dataset.formats import cvat
from isomer.dataset.source import AnnotationError, SourceBox

LABELS = "<labels><label><name>dog</name></label><label><name>cat</name></label></labels>"
BOX = '<box label="cat" xtl="1.0" ytl="2.0" xbr="11.0" ybr="22.0" occluded="0"/>'


def parse(*shapes: str, meta: str = "", attributes: str = ""):
    image = f'<image id="0" name="one/a.jpg" width="64" height="48" {attributes}>{"".join(shapes)}</image>'
    return cvat.parse(f"<annotations><version>1.1</version>{meta}{image}</annotations>".encode(), "a.xml")


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (BOX, (1, 2, 10, 20)),
        ('<polygon label="cat" points="1.0,5;11,2;6,22"/>', (1, 2, 10, 20)),
        ('<mask label="cat" rle="0, 200" left="1" top="2" width="10" height="20"/>', (1, 2, 10, 20)),
        ('<ellipse label="cat" cx="10" cy="20" rx="3" ry="5"/>', (7, 15, 6, 10)),
        ('<ellipse label="cat" cx="10" cy="20" rx="5" ry="3" rotation="90"/>', (7, 15, 6, 10)),
        ('<box label="cat" xtl="0" ytl="5" xbr="20" ybr="15" rotation="90"/>', (5, 0, 10, 20)),
    ],
)
def test_shapes(shape, expected):
    (picture,) = parse(shape).pictures
    (box,) = picture.boxes
    assert (box.label, *(pytest.approx(number) for number in expected)) == ("cat", box.x, box.y, box.width, box.height)
    assert (picture.names, picture.size) == (("one/a.jpg",), (64, 48))


@pytest.mark.parametrize("around", ["task", "project", "job"])
def test_labels_stand_in_a_task_a_project_or_nowhere(around):
    assert parse(BOX, meta=f"<meta><{around}><name>pets</name>{LABELS}</{around}></meta>").labels == ("dog", "cat")
    assert parse(BOX).labels == ()


def test_subsets_are_splits_and_tags_are_no_boxes():
    reading = parse(BOX, '<tag label="sunny"/>', attributes='subset="Validation"')
    assert [(item.split, len(item.boxes)) for item in reading.pictures] == [("val", 1)]
    assert reading.left_out == []


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (BOX.replace('"cat"', '""'), "without a class name"),
        (BOX.replace('"1.0"', '"one"'), "box without its numbers"),
        ('<polygon label="cat" points="1;2"/>', "polygon without its numbers"),
        ('<points label="cat" points="1,2"/>', "drawn as points"),
        ('<polyline label="cat" points="1,2;3,4"/>', "drawn as polyline"),
    ],
)
def test_shapes_that_cannot_be_used_are_named(shape, reason):
    reading = parse(BOX, shape)
    assert reading.pictures[0].boxes == (SourceBox("cat", 1, 2, 10, 20),)
    assert [(reason in item.reason, item.name) for item in reading.left_out] == [(True, "a.xml, image one/a.jpg")]


def test_tracks_are_counted():
    track = '<track id="3" label="cat"><box frame="0" outside="0"/><box frame="1" outside="1"/></track>'
    reading = cvat.parse(f"<annotations>{track}</annotations>".encode(), "a.xml")
    assert [(item.name, item.boxes) for item in reading.left_out] == [("a.xml, track 3", 1)]


def test_entities_are_refused():
    bomb = b'<!DOCTYPE a [<!ENTITY e "eeee"><!ENTITY f "&e;&e;">]><annotations>&f;</annotations>'
    with pytest.raises(AnnotationError, match="document type"):
        cvat.parse(bomb, "a.xml")


def test_evidence_is_the_first_element(tree_of):
    tree = tree_of({"a.xml": "<annotation/>", "b.xml": '<?xml version="1.0"?>\n<!-- CVAT -->\n<annotations/>'})
    assert cvat.evidence(tree) == "b.xml begins with <annotations>"
