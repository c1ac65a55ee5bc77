"""An annotation finds its picture among equal names; a path tells its split."""

import pytest

from isomer.dataset.source import SourcePicture, Tree, split_of


def tree(folder, *names: str) -> Tree:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return Tree(folder)


@pytest.mark.parametrize(
    ("files", "annotation", "names", "expected"),
    [
        # VOC's layout, with masks of the same name beside it
        (["JPEGImages/a.jpg", "SegmentationClass/b.png"], "Annotations/a.xml", ("a", "x.jpg"), "JPEGImages/a.jpg"),
        # nested, in parallel folders
        (["images/one/a.jpg", "images/two/a.jpg"], "annotations/two/a.xml", ("a",), "images/two/a.jpg"),
        # one folder a split
        (["train/images/a.jpg", "test/images/a.jpg"], "test/labels/a.xml", ("a",), "test/images/a.jpg"),
        # COCO's layout: the split is in the file's name
        (["val2017/1.jpg", "train2017/1.jpg"], "annotations/instances_val2017.json", ("1.jpg",), "val2017/1.jpg"),
        # folders in the name itself, however written
        (["images/one/a.jpg", "images/two/a.jpg"], "all.json", ("C:\\data\\one\\a.jpg",), "images/one/a.jpg"),
        (["images/one/a.jpg", "images/two/a.jpg"], "all.json", ("../two/a.jpg",), "images/two/a.jpg"),
        # the picture was converted, or the name has no suffix, or one too many dots
        (["a.png"], "a.json", ("a.jpg",), "a.png"),
        (["img.v2.png"], "img.v2.xml", ("img.v2",), "img.v2.png"),
        (["a.jpg"], "a.jpg.xml", ("a.jpg",), "a.jpg"),
        # a stem that two pictures have: then the file name says which
        (["a.jpg", "a.png"], "a.xml", ("a", "a.png"), "a.png"),
        # capitals, and the two ways to write an accent
        (["Bär.JPG"], "x.json", ("ba\u0308r.jpg",), "Bär.JPG"),
    ],
)
def test_the_nearest_picture_is_found(tmp_path, files, annotation, names, expected):
    found = tree(tmp_path, *files).find_picture(SourcePicture(annotation, names, None, ()))
    assert found == [expected]


def test_several_that_are_equally_near_are_all_given(tmp_path):
    found = tree(tmp_path, "one/a.jpg", "two/a.jpg").find_picture(SourcePicture("a.json", ("a.jpg",), None, ()))
    assert found == ["one/a.jpg", "two/a.jpg"]


def test_hidden_files_are_not_seen_and_links_are_followed_once(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.jpg").touch()
    source = tmp_path / "source"
    made = tree(source, "images/._b.jpg", "__MACOSX/b.jpg", ".git/c.jpg")
    assert made.files == []
    (source / "images" / "linked").symlink_to(tmp_path / "elsewhere")
    (source / "images" / "around").symlink_to(source)
    assert Tree(source).files == ["images/linked/a.jpg"]


@pytest.mark.parametrize(
    ("path", "whole_name", "expected"),
    [
        ("train/a.xml", False, "train"),
        ("images/val2017/a.jpg", False, "val"),
        ("valid/images/a.jpg", False, "val"),
        ("images_test/a.jpg", False, "test"),
        ("a/test.jpg", False, None),
        ("trainval/a.xml", False, None),
        ("contest/a.xml", False, None),
        ("train_val/a.xml", False, None),
        ("annotations/instances_train2017.json", True, "train"),
        ("_annotations.coco.json", True, None),
    ],
)
def test_split_of(path, whole_name, expected):
    assert split_of(path, whole_name=whole_name) == expected
