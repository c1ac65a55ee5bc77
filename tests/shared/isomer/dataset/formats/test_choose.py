"""The format of a folder is detected with evidence, and what is not known is answered with what is."""

import json

import pytest

from isomer.dataset import formats
from isomer.dataset.source import Tree
from isomer.errors import UserError

XML = "<annotation></annotation>"
COCO = json.dumps({"images": [], "annotations": [], "categories": []})


def test_every_module_of_the_package_is_a_format():
    assert {"coco", "voc", "yolo"} <= formats.formats().keys()
    for one in formats.formats().values():
        assert one.ACCEPTS
        assert callable(one.read)


@pytest.mark.parametrize(("name", "text", "expected"), [("a.xml", XML, "voc"), ("b/c.json", COCO, "coco")])
def test_detection_names_its_evidence(tmp_path, name, text, expected):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    chosen, evidence = formats.choose(Tree(tmp_path), None)
    assert chosen.NAME == expected
    assert name in evidence


def test_nothing_known_lists_what_is_there_and_what_would_do(tmp_path):
    (tmp_path / "labels.txt").touch()
    with pytest.raises(UserError, match=r"(?s)1 \.txt.*coco: COCO.*voc: Pascal VOC"):
        formats.choose(Tree(tmp_path), None)


def test_of_two_formats_the_one_that_keeps_more_boxes_is_taken_and_the_flag_decides(source):
    for name in ("a", "b"):
        source.picture(f"{name}.jpg")
    source.voc("a.xml", ("cat", 1, 1, 9, 9))
    source.voc("gone.xml", *[("cat", 1, 1, 9, 9)] * 5)
    source.coco("all.json", {"a.jpg": [("cat", 1, 1, 9, 9)], "b.jpg": [("dog", 1, 1, 9, 9)]}, ("cat", "dog"))
    tree = Tree(source.root)
    assert [(one.format.NAME, one.count) for one in formats.detect(tree, None)] == [
        ("coco", "2 boxes of 2 pictures"),
        ("voc", "1 boxes of 1 pictures"),
    ]
    assert [one.format.NAME for one in formats.detect(tree, "voc")] == ["voc"]


def test_boxes_that_several_files_of_a_format_repeat_count_once(source):
    for name in ("a", "b"):
        source.picture(f"{name}.jpg")
        source.voc(f"{name}.xml", ("cat", 1, 1, 9, 9))
    rows = "filename,class,xmin,ymin,xmax,ymax\na.jpg,cat,1,1,9,9\n"
    for name in ("all", "train", "test"):
        source.text(f"{name}_labels.csv", rows)
    found = formats.detect(Tree(source.root), None)
    assert [(one.format.NAME, one.count) for one in found] == [
        ("voc", "2 boxes of 2 pictures"),
        ("csv", "1 boxes of 1 pictures"),
    ]


def test_a_format_that_is_not_there_or_not_known(tmp_path):
    (tmp_path / "a.xml").write_text(XML)
    with pytest.raises(UserError, match=r"--format coco: nothing of it.*1 \.xml"):
        formats.choose(Tree(tmp_path), "coco")
    with pytest.raises(UserError, match=r"unknown format 'vok'; did you mean 'voc'"):
        formats.choose(Tree(tmp_path), "vok")


def test_nothing_is_no_source(tmp_path):
    with pytest.raises(UserError, match="there is no folder or file"):
        Tree(tmp_path / "b")
