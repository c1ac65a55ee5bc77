"""Names of one list found in another: what is the same to a person, and nothing else."""

from __future__ import annotations

import pytest

from isomer import class_names, coco
from isomer.class_names import match
from isomer.errors import UserError

VOC = (
    "aeroplane,bicycle,bird,boat,bottle,bus,car,cat,chair,cow,diningtable,dog,horse,motorbike,person,pottedplant,sheep"
)
VOC = (*VOC.split(","), "sofa", "train", "tvmonitor")


def pairs(model, data, given=None) -> dict[str, tuple[str, str]]:
    return {theirs: (ours, way) for theirs, ours, way in match(model, data, given or {}).pairs}


def test_all_of_voc_is_found_in_coco():
    found = pairs(coco.CLASSES, VOC)
    assert {ours for ours, _ in found.values()} == set(VOC)
    assert found["person"] == ("person", "exact")
    assert found["potted plant"] == ("pottedplant", "spelling")
    assert {theirs: ours for theirs, (ours, way) in found.items() if way == "synonym"} == {
        "airplane": "aeroplane",
        "couch": "sofa",
        "motorcycle": "motorbike",
        "tv": "tvmonitor",
    }


def test_every_coco_name_is_only_itself():
    found = pairs(coco.CLASSES, coco.CLASSES)
    assert found == {name: (name, "exact") for name in coco.CLASSES}
    for name in coco.CLASSES:
        others = tuple(other for other in coco.CLASSES if other != name)
        assert pairs((name,), others) == {}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Person", "person"),
        ("PERSONS", "person"),
        ("Traffic_Light", "traffic lights"),
        ("stop-sign", "Stop sign"),
        ("glass", "Glass"),
    ],
)
def test_spelling(one, other):
    assert pairs((one,), (other,)) == {one: (other, "spelling")}


@pytest.mark.parametrize(("one", "other"), [("bus", "bu"), ("cat", "cart"), ("man", "person"), ("wine glass", "glass")])
def test_what_is_not_the_same(one, other):
    assert pairs((one,), (other,)) == {}


def test_what_is_given_comes_first():
    assert pairs(("cat", "kitten"), ("cat", "dog"), {"cat": "dog"}) == {"cat": ("dog", "given")}
    # a class that is given away can be another's too
    assert pairs(("cat", "dog"), ("cat", "dog"), {"cat": "dog"}) == {"cat": ("dog", "given")}


def test_several_classes_of_a_model_may_be_one_of_the_dataset():
    found = pairs(("man", "woman"), ("person",), {"man": "person", "woman": "person"})
    assert found == {"man": ("person", "given"), "woman": ("person", "given")}


def test_what_fits_several_is_none():
    names = match(("people",), ("person", "pedestrian"), {})
    assert names.pairs == () and names.ambiguous == (("people", ("person", "pedestrian")),)
    assert names.only_model == ("people",) and names.only_data == ("person", "pedestrian")


def test_ids_count_from_one():
    names = match(("dog", "owl", "cat"), ("cat", "dog"), {})
    assert names.ids(("dog", "owl", "cat"), ("cat", "dog")) == {1: 2, 3: 1}


@pytest.mark.parametrize("words", ["cat", "cat=", "=dog", "a=b,", "a=b,a=c"])
def test_a_wrong_map_names_its_flag(words):
    with pytest.raises(UserError, match="--map"):
        class_names.parse(words)


def test_a_map_may_have_spaces():
    assert class_names.parse(" motor bike = motorcycle , man=person") == {"motor bike": "motorcycle", "man": "person"}
    assert class_names.parse(None) == {}
