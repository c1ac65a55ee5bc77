"""Pictures alone are a source only where nothing else could hold annotations, or where it is asked for."""

import pytest

from isomer.dataset import formats
from isomer.dataset.formats import folder
from isomer.errors import UserError


def test_all_pictures_are_negatives_to_test_on(tree_of):
    reading = folder.read(tree_of({"a.jpg": "", "one/b.PNG": "", "LICENSE": ""}))
    assert [(item.names[0], item.boxes, item.split) for item in reading.pictures] == [
        ("a.jpg", (), "test"),
        ("one/b.PNG", (), "test"),
    ]


def test_folders_give_splits(tree_of):
    reading = folder.read(tree_of({"train/a.jpg": "", "val/b.jpg": ""}))
    assert [item.split for item in reading.pictures] == ["train", "val"]


def test_it_is_detected_only_where_it_hides_nothing(tree_of):
    assert formats.choose(tree_of({"a.jpg": "", "README.md": ""}), None)[0] is folder
    tree = tree_of({"labels.mat": b"MATLAB"})
    with pytest.raises(UserError, match=r"1 \.mat"):
        formats.choose(tree, None)
    assert formats.choose(tree, "folder")[0] is folder
