"""What the classes are called: as given, as the model says, as a file beside it says, or by their ids."""

from __future__ import annotations

import pytest

from isomer.converting import names
from isomer.errors import UserError

FILES = {
    "labels.txt": "cat\ndog\n\nowl\n",
    "voc-model-labels.txt": "BACKGROUND\ncat\ndog\nowl\n",
    "coco_labels.txt": "0 cat\n1 dog\n2 owl\n",
    "classes.txt": "cat,dog,owl",
    "obj.names": "# of the game\ncat\ndog\nowl\n",
    "label_map.pbtxt": "item {\n id: 2\n name: 'dog'\n}\nitem { id: 1 name: 'cat' }\nitem { id: 3 name: 'owl' }\n",
    "data.yaml": "nc: 3\nnames: ['cat', 'dog', 'owl']\n",
}


@pytest.mark.parametrize("name", FILES)
def test_files_of_names(tmp_path, capsys, name):
    (tmp_path / name).write_text(FILES[name])
    (tmp_path / "README.txt").write_text("three\nlines\nhere\n")
    (tmp_path / "requirements.txt").write_text("a\nb\nc\n")
    expected = ("cat", "dog", "owl")
    assert names.settle(None, 3, None, tmp_path) == expected
    assert f"class names from {name} beside it" in capsys.readouterr().out
    assert names.settle(str(tmp_path / name), 3, None, None) == expected


def test_of_a_file_that_does_not_fit_nothing_is_taken(tmp_path, capsys):
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    assert names.settle(None, 3, None, tmp_path) == ("1", "2", "3")
    assert "the ids 1 to 3 are the names" in capsys.readouterr().out


def test_gaps_of_a_label_map_are_their_ids(tmp_path):
    (tmp_path / "m.pbtxt").write_text("item { id: 1 name: 'cat' } item { id: 3 name: 'owl' }")
    assert names.parse(tmp_path / "m.pbtxt") == ("cat", "2", "owl")


def test_what_is_given_comes_first(tmp_path):
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    assert names.settle("a, b", 2, ["x", "y"], tmp_path) == ("a", "b")
    assert names.settle(None, 2, ["x", "y"], tmp_path) == ("x", "y")
    assert names.settle("background,a,b", 2, None, None) == ("a", "b")


def test_published_lists():
    assert names.settle("coco", 80, None, None)[:2] == ("person", "bicycle")
    ids = names.settle("coco", 90, None, None)
    # https://github.com/tensorflow/models mscoco_label_map.pbtxt
    assert (ids[0], ids[11], ids[12], ids[17], ids[89]) == ("person", "12", "stop sign", "dog", "toothbrush")
    assert names.settle("voc", 20, None, None)[14] == "person"


def test_the_list_that_may_be_meant_is_named(capsys):
    names.settle(None, 80, None, None)
    assert "--classes coco" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "count", "said"),
    [
        ("a,b", 3, "2 names .* 3 classes"),
        ("a,b,a", 3, "a twice"),
        ("coco", 3, "80 names"),
        (None, 0, "has no class"),
        (None, None, "does not tell how many classes"),
        (",", 2, "0 names"),
    ],
)
def test_refused(given, count, said):
    with pytest.raises(UserError, match=said):
        names.settle(given, count, None, None)


def test_a_file_without_names(tmp_path):
    (tmp_path / "n.yaml").write_text("train: images\n")
    with pytest.raises(UserError, match="no names in it"):
        names.settle(str(tmp_path / "n.yaml"), 2, None, None)
