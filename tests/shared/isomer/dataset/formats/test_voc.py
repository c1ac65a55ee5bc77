"""Pascal VOC XML becomes boxes; what is no annotation, or no box, is named."""

from pathlib import Path

import pytest

from isomer.dataset.formats import voc
from isomer.dataset.source import AnnotationError, SourceBox, Tree

OBJECT = "<object><name>{}</name><bndbox>{}</bndbox></object>"


def bndbox(**values: object) -> str:
    return "".join(f"<{key}>{value}</{key}>" for key, value in values.items())


def xml(*objects: str, size: str = "<size><width>64</width><height>48</height></size>", name: str = "a.jpg") -> str:
    return f"<annotation><filename>{name}</filename>{size}{''.join(objects)}</annotation>"


def test_coordinates_are_taken_as_they_stand_in_any_order_of_elements():
    text = xml(OBJECT.format(" cat ", bndbox(ymax="30.5", xmin=1, ymin=2, xmax=11)))
    annotation = voc.parse(text.encode())
    assert annotation.boxes == (SourceBox("cat", 1, 2, 10, 28.5),)
    assert annotation.size == (64, 48)
    assert annotation.file_name == "a.jpg"


def test_a_person_s_parts_are_no_boxes_of_their_own():
    part = f"<part><name>head</name><bndbox>{bndbox(xmin=1, ymin=1, xmax=2, ymax=2)}</bndbox></part>"
    whole = f"<object><name>person</name>{part}<bndbox>{bndbox(xmin=5, ymin=5, xmax=9, ymax=9)}</bndbox></object>"
    assert voc.parse(xml(whole).encode()).boxes == (SourceBox("person", 5, 5, 4, 4),)


@pytest.mark.parametrize(
    "size", ["", "<size><width>0</width><height>0</height></size>", "<size><width>x</width></size>"]
)
def test_a_size_that_says_nothing_is_none(size):
    assert voc.parse(xml(size=size).encode()).size is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1"])
def test_encodings(encoding):
    text = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>' + xml(name="Füchse.jpg")
    assert voc.parse(text.encode(encoding)).file_name == "Füchse.jpg"


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (OBJECT.format("", bndbox(xmin=1, ymin=1, xmax=2, ymax=2)), "without a class name"),
        (OBJECT.format("cat", bndbox(xmin=1, ymin=1, xmax=2)), "without four numbers"),
        (OBJECT.format("cat", bndbox(xmin="one", ymin=1, xmax=2, ymax=2)), "without four numbers"),
    ],
)
def test_objects_that_cannot_be_used_are_told_apart_from_the_others(item, reason):
    good = OBJECT.format("dog", bndbox(xmin=1, ymin=1, xmax=2, ymax=2))
    annotation = voc.parse(xml(item, good).encode())
    assert len(annotation.boxes) == 1
    assert [reason in text for text in annotation.broken] == [True]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no readable XML"),
        ("<annotation><object>", "no readable XML"),
        ("<html></html>", "begins with <html>"),
        ('<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/hostname">]><annotation>&e;</annotation>', "document type"),
    ],
)
def test_what_is_no_annotation_says_why(text, reason):
    with pytest.raises(AnnotationError, match=reason):
        voc.parse(text.encode())


def write(folder: Path, files: dict[str, str]) -> Tree:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return Tree(folder)


def test_lists_give_the_splits_and_what_is_in_none_is_left_out(tmp_path):
    files = {f"VOC2007/Annotations/{stem}.xml": xml() for stem in "abcde"}
    files["VOC2007/ImageSets/Main/train.txt"] = "a\nb\n"
    files["VOC2007/ImageSets/Main/val.txt"] = "c 1\n"
    files["VOC2007/ImageSets/Main/test.txt"] = "d\nnegative\n"
    files["VOC2007/ImageSets/Main/trainval.txt"] = "a\nb\nc\n"
    files["VOC2007/ImageSets/Main/cat_train.txt"] = "e -1\n"
    reading = voc.read(write(tmp_path, files))
    assert {item.names[0]: item.split for item in reading.pictures} == {
        "a": "train",
        "b": "train",
        "c": "val",
        "d": "test",
        "negative": "test",
    }
    assert [(item.reason, item.name) for item in reading.left_out] == [
        ("in no list of ImageSets", "VOC2007/Annotations/e.xml")
    ]
    assert reading.splits == {"train", "val", "test"}


def test_trainval_is_train_where_nothing_else_is_said(tmp_path):
    files = {f"Annotations/{stem}.xml": xml() for stem in "ab"}
    files |= {"ImageSets/Main/trainval.txt": "a\n", "ImageSets/Main/test.txt": "b\n"}
    reading = voc.read(write(tmp_path, files))
    assert {item.names[0]: item.split for item in reading.pictures} == {"a": "train", "b": "test"}


def test_folders_names_give_the_splits_where_there_are_no_lists(tmp_path):
    reading = voc.read(write(tmp_path, {f"{split}/a.xml": xml() for split in ("train", "valid", "test")}))
    assert [item.split for item in reading.pictures] == ["test", "train", "val"]


def test_a_broken_file_is_named(tmp_path):
    reading = voc.read(write(tmp_path, {"a.xml": xml(), "b.xml": "<annotation>"}))
    assert [item.name for item in reading.left_out] == ["b.xml"]
    assert len(reading.pictures) == 1
