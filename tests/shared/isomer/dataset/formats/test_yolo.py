"""YOLO's lines become boxes in fractions, with names and splits from whatever stands beside them."""

import pytest

from isomer.dataset.formats import yolo
from isomer.dataset.source import AnnotationError, SourceBox

NAMES = {0: "cat", 1: "dog"}
LINE = "0 0.5 0.5 0.25 0.5\n"
BOX = SourceBox("cat", 0.375, 0.25, 0.25, 0.5)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0 0.5 0.5 0.25 0.5", BOX),
        ("0 0.5 0.5 0.25 0.5 0.93", BOX),
        ("0.0\t0.5  0.5 0.25 0.5 ", BOX),
        ("1 0.25 0.5 0.75 0.25 0.5 1", SourceBox("dog", 0.25, 0.25, 0.5, 0.75)),
        ("1 0.25 0.25 0.75 0.25 0.75 1 0.25 1", SourceBox("dog", 0.25, 0.25, 0.5, 0.75)),
    ],
)
def test_a_line_is_a_box_or_a_polygon(line, expected):
    assert yolo.parse(line.encode(), NAMES, "a.txt") == ([expected], [])


def test_key_points_go_on_behind_the_box():
    line = "0 0.5 0.5 0.25 0.5 0.1 0.1 2 0.2 0.2 2"
    assert yolo.parse(line.encode(), NAMES, "a.txt", points=6)[0] == [BOX]


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff", "# nothing\n"])
def test_an_empty_file_is_a_picture_without_boxes(text):
    assert yolo.parse(text.encode(), NAMES, "a.txt") == ([], [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("7 0.5 0.5 0.1 0.1", "class 7, which has no name"),
        ("-1 0.5 0.5 0.1 0.1", "no class id"),
        ("0.5 0.5 0.5 0.1 0.1", "no class id"),
        ("cat 0.5 0.5 0.1 0.1", "words"),
        ("0 0.5 0.5 0.1", "a line of 4 numbers"),
        ("0 320 240 50 60", "other numbers than fractions"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(line, reason):
    boxes, left_out = yolo.parse(f"{LINE}{line}\n{LINE}".encode(), NAMES, "a.txt")
    assert boxes == [BOX, BOX]
    assert [(reason in item.reason, item.name) for item in left_out] == [(True, "a.txt, line 2")]


def test_data_yaml():
    config = yolo.parse_yaml("path: ../data\ntrain: images/train\nval: [a, b]\nnames: {1: dog, 0: cat}\nnc: 2")
    assert config.names == {0: "cat", 1: "dog"}
    assert config.splits == {"train": ["../data/images/train"], "val": ["../data/a", "../data/b"]}
    assert yolo.parse_yaml("names: [cat, dog]").names == NAMES
    assert yolo.parse_yaml("train: x") is None
    for text in ("a: [", "!!python/object/apply:os.getcwd []"):
        with pytest.raises(AnnotationError, match="no readable YAML"):
            yolo.parse_yaml(text)


def splits_of(reading):
    return {item.names[0]: item.split for item in reading.pictures}


@pytest.mark.parametrize("entry", ["../{}/images", "{}/images", "/content/drive/pets/{}/images/", "./{}/images"])
def test_data_yaml_finds_its_folders_wherever_they_lie_now(tree_of, entry):
    folders = {"train": "train", "val": "valid", "test": "held-out"}
    files = {"data.yaml": "names: [cat]\n" + "".join(f"{key}: {entry.format(folders[key])}\n" for key in folders)}
    for folder in folders.values():
        files |= {f"{folder}/labels/{folder}.txt": LINE, f"{folder}/images/{folder}.jpg": ""}
    files["held-out/images/negative.jpg"] = ""
    reading = yolo.read(tree_of(files))
    assert splits_of(reading) == {
        "train": "train",
        "valid": "val",
        "held-out": "test",
        "held-out/images/negative.jpg": "test",
    }
    assert reading.splits == {"train", "val", "test"}
    assert reading.labels == ("cat",)


def test_darknet_s_files(tree_of):
    files = {f"obj_train_data/{stem}.{suffix}": LINE for stem in "abc" for suffix in ("txt", "jpg")}
    files["obj.data"] = "classes = 1\ntrain = data/train.txt\nvalid = data/valid.txt\nnames = data/obj.names\n"
    files |= {"obj.names": "cat\n", "train.txt": "data/obj_train_data/a.jpg\n", "valid.txt": "obj_train_data/b.jpg\n"}
    reading = yolo.read(tree_of(files))
    assert splits_of(reading) == {"a": "train", "b": "val"}
    assert [(item.reason, item.boxes) for item in reading.left_out] == [("in no list of the source", 1)]
    assert reading.labels == ("cat",)


def test_the_same_folder_in_two_splits_counts_once(tree_of):
    files = {"images/a.jpg": "", "labels/a.txt": LINE, "data.yaml": "names: [cat]\ntrain: images\nval: images\n"}
    reading = yolo.read(tree_of(files))
    assert splits_of(reading) == {"a": "train"}
    assert reading.splits == {"train"}
    assert "1 pictures of val are in another split too" in reading.notes[0]


def test_class_names_beside_the_labels_go_first(tree_of):
    files = {f"{folder}/{name}": "" for folder in ("one", "two") for name in ("a.jpg", "b.jpg")}
    files |= {"one/a.txt": LINE, "one/classes.txt": "cat\n", "two/b.txt": LINE, "two/classes.txt": "dog\n"}
    reading = yolo.read(tree_of(files))
    assert [item.boxes[0].label for item in reading.pictures] == ["cat", "dog"]


def test_without_names_classes_are_numbers_and_that_is_said(tree_of):
    reading = yolo.read(tree_of({"a.jpg": "", "a.txt": LINE + LINE.replace("0 ", "12 ", 1)}))
    assert reading.labels == ("class_0", "class_12")
    assert "no class names" in reading.notes[0]


def test_a_label_file_without_its_picture_stays_and_other_texts_do_not(tree_of):
    files = {"a.jpg": "", "a.txt": LINE, "b.txt": LINE, "notes.txt": "to do", "classes.txt": "cat"}
    assert sorted(splits_of(yolo.read(tree_of(files)))) == ["a", "b"]


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"a.jpg": "", "a.txt": LINE}, True),
        ({"a.jpg": "", "a.txt": "", "classes.txt": "cat"}, True),
        ({"a.jpg": "", "a.txt": ""}, False),
        ({"a.jpg": "", "a.txt": "a photograph of a cat", "classes.txt": "cat"}, False),
        ({"b.txt": LINE}, False),
    ],
)
def test_evidence(tree_of, files, found):
    assert (yolo.evidence(tree_of(files)) is not None) == found
