"""WIDER FACE's lists become faces; counts that lie are named."""

import pytest

from isomer.dataset.formats import widerface
from isomer.dataset.source import SourceBox

FACE = "449 330 122 149 0 0 0 0 0 0"
BOX = SourceBox("face", 449, 330, 122, 149)
ZEROS = " ".join("0" * 10)


def parse(*lines: str):
    return widerface.parse("\n".join(lines), "wider_face_val_bbx_gt.txt")


def test_faces_and_pictures_without():
    reading = parse("0--Parade/a.jpg", "2", FACE, FACE, "b.jpg", "0", ZEROS, "c.jpg", "1", FACE, "d.jpg", "0")
    assert [(item.names[0], item.boxes) for item in reading.pictures] == [
        ("0--Parade/a.jpg", (BOX, BOX)),
        ("b.jpg", ()),
        ("c.jpg", (BOX,)),
        ("d.jpg", ()),
    ]
    assert reading.left_out == []
    assert reading.splits == {"val"}


@pytest.mark.parametrize(
    ("lines", "reason", "line"),
    [
        (["2", FACE, "449 330 122 149 0 0 0 1 0 0"], "marked invalid", 4),
        (["2", FACE, "449 330"], "without four numbers", 4),
        (["2", FACE], "announced by a count of 2", 3),
        (["1", FACE, FACE], "where a picture belongs", 4),
    ],
)
def test_faces_that_cannot_be_used_are_named(lines, reason, line):
    reading = parse("a.jpg", *lines, "b.jpg", "1", FACE)
    assert [item.boxes for item in reading.pictures] == [(BOX,), (BOX,)]
    assert [(reason in item.reason, item.name) for item in reading.left_out] == [
        (True, f"wider_face_val_bbx_gt.txt, line {line}")
    ]


def test_pictures_lie_in_the_split_s_folder(tree_of):
    files = {f"WIDER_{split}/images/0--Parade/a.jpg": "" for split in ("train", "val")}
    for split in ("train", "val"):
        files[f"wider_face_split/wider_face_{split}_bbx_gt.txt"] = f"0--Parade/a.jpg\n1\n{FACE}\n"
    files["wider_face_split/readme.txt"] = "Format:\nx\n"
    tree = tree_of(files)
    assert [tree.find_picture(item) for item in widerface.read(tree).pictures] == [
        ["WIDER_train/images/0--Parade/a.jpg"],
        ["WIDER_val/images/0--Parade/a.jpg"],
    ]
    assert "2 " not in widerface.evidence(tree)
