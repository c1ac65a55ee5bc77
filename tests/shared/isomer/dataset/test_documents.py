"""Annotation files are read safely and in whatever encoding people have."""

import json

import pytest

from isomer.dataset import documents
from isomer.dataset.source import AnnotationError, Tree


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_text_in_any_encoding(encoding):
    assert documents.decoded("Füchse".encode(encoding)) == "Füchse"


def test_json_is_parsed_once_and_without_what_fills_the_memory(tmp_path):
    value = {"imageData": "QUJD" * 100, "annotations": [{"bbox": [1, 2, 3, 4], "segmentation": [[0] * 100]}]}
    (tmp_path / "a.json").write_text(json.dumps(value), encoding="utf-16")
    (tmp_path / "only_outline.json").write_text(json.dumps({"segmentation": [[1, 2]]}))
    (tmp_path / "deep.json").write_text("[" * 100_000)
    tree = Tree(tmp_path)
    found = documents.json_files(tree)
    assert found["a.json"] == {"imageData": True, "annotations": [{"bbox": [1, 2, 3, 4], "segmentation": None}]}
    assert found["only_outline.json"] == {"segmentation": [[1, 2]]}
    assert isinstance(found["deep.json"], documents.BrokenJson)
    assert documents.json_files(tree) is found
    documents.forget()
    assert documents.json_files(tree) is not found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<annotation/>", "annotation"),
        ('<?xml version="1.0"?>\n<!-- a comment -->\n<annotations>', "annotations"),
        ("<!DOCTYPE annotation [<!ENTITY e 'x'>]><annotation>", "annotation"),
        ("{}", None),
        ("", None),
    ],
)
def test_the_first_element(text, expected):
    assert documents.root_tag(text.encode()) == expected


def test_rows_know_their_lines_and_a_broken_table_says_from_where():
    rows = documents.csv_rows('a,b\n\n"c\nd",e\n')
    assert list(rows) == [(1, ["a", "b"]), (4, ["c\nd", "e"])]
    with pytest.raises(AnnotationError, match="from line 2 on"):
        list(documents.csv_rows("a\n" + "b" * 200_000))
