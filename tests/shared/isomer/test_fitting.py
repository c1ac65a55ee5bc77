"""How files of weights fit, and what is said of it."""

from __future__ import annotations

from isomer.fitting import Fit, about_classes, shared_classes

HERE = {"backbone": (3, 3), "head": (9, 2), "box": (4,), "new": ()}
THERE = {"backbone": (3, 3), "head": (9, 91), "box": (5,), "optimizer": (1,)}


def test_every_tensor_is_in_one_place():
    fit = Fit(HERE, THERE, ["head"])
    assert (fit.whole, fit.differing, fit.absent, fit.unused) == (["backbone"], ["box"], ["new"], ["optimizer"])
    assert fit.to_json() == {"loaded": 1, "cut": 1, "new": 2, "unused": 1}


def test_the_sentence_leaves_nothing_out():
    said = Fit(HERE, THERE, ["head"]).sentence()
    assert "loaded 1 of 4 tensors" in said
    assert "1 of the class head are cut anew (head is 9×91 there and 9×2 here)" in said
    assert "1 have another shape and are new (box is 5 there and 4 here)" in said
    assert "1 are not in the file and are new (from new)" in said
    assert said.endswith("1 unused")


def test_the_first_that_differ():
    assert Fit(HERE, THERE).first(["new", "box"], 1) == "new is not there and one number here"


def test_classes_are_the_same_by_name_or_where_nothing_names_them_by_place():
    assert shared_classes(("person", None, "Dog"), 3, ("dog", "robot", "person")) == {0: 2, 2: 0}
    assert shared_classes(None, 2, ("a", "b")) == {0: 0, 1: 1}
    assert shared_classes(None, 3, ("a", "b")) == {}


def test_what_is_said_of_classes():
    assert about_classes(("a", "b"), ("b", "a"), {0: 1, 1: 0}) == "the weights know the dataset's classes: b, a"
    said = about_classes(("a", None, "c"), ("a", "x"), {0: 0})
    assert said == "the weights know 2 classes, the dataset has 2; kept: a; new: x"
    assert about_classes(None, ("a",), {}).endswith("all 1 of the dataset are new")
    assert about_classes(None, ("a",), {0: 0}).endswith("taken to be the dataset's 1")
