"""Classes are kept, renamed and merged; small boxes and pictures beyond a limit are left out and counted."""

from collections import Counter

import pytest

from isomer.dataset import selecting
from isomer.dataset.account import Account
from isomer.dataset.matching import Found
from isomer.dataset.source import SourceBox, SourcePicture
from isomer.errors import UserError


def found(path: str, *labels: str, split: str | None = None, side: float = 10) -> Found:
    boxes = [SourceBox(label, 0, 0, side, side) for label in labels]
    return Found(path, [SourcePicture("a.xml", (path,), None, tuple(boxes), split)], boxes=boxes)


def labels(items: list[Found]) -> dict[str, list[str]]:
    return {item.path: [box.label for box in item.boxes] for item in items}


@pytest.mark.parametrize(
    ("text", "expected", "order"),
    [
        ("dog", {"a": ["dog"], "none": []}, ("dog",)),
        ("dog,cat", {"a": ["dog", "cat"], "b": ["cat"], "none": []}, ("dog", "cat")),
        ("cat=animal, dog = animal", {"a": ["animal"] * 2, "b": ["animal"], "none": []}, ("animal",)),
        ("dog=wolf,*", {"a": ["wolf", "cat"], "b": ["cat"], "c": ["car"], "none": []}, ("wolf", "car", "cat")),
    ],
)
def test_classes(text, expected, order):
    items = [found("a", "dog", "cat"), found("b", "cat"), found("c", "car"), found("none")]
    classes, account = selecting.parse_classes(text), Account()
    kept = selecting.select(items, classes, 0, account)
    assert labels(kept) == expected
    assert classes.in_order(("car", "cat", "dog")) == order
    assert sum(boxes for _, boxes in account.asked.values()) == 4 - sum(map(len, expected.values()))
    assert sum(pictures for pictures, _ in account.asked.values()) == 4 - len(expected)


@pytest.mark.parametrize("text", ["", "a,,b", "a=", "=b", "a,a=b"])
def test_what_is_no_class_is_refused_by_the_flag_s_name(text):
    with pytest.raises(UserError, match="--classes"):
        selecting.parse_classes(text)


def test_an_unknown_class_is_answered_with_the_nearest():
    with pytest.raises(UserError, match=r"--classes.*'dgo'; did you mean 'dog'"):
        selecting.check_classes(selecting.parse_classes("dgo"), ("cat", "dog"))


def test_small_boxes_are_left_out_and_pictures_with_nothing_else():
    account = Account()
    items = [found("big", "cat"), found("small", "cat", "cat", side=3), found("none")]
    assert labels(selecting.select(items, None, 10, account)) == {"big": ["cat"], "none": []}
    assert account.asked["smaller than --min-area 10"] == [0, 2]
    assert "unasked   2 boxes smaller than --min-area 10" in account.text()


def test_a_limit_takes_of_each_split_its_share_and_always_the_same():
    items = [found(f"{number}", "cat", split="val" if number % 5 == 0 else "train") for number in range(100)]
    account = Account()
    kept = selecting.limit(list(items), 10, 0, account)
    assert Counter(item.split for item in kept) == {"train": 8, "val": 2}
    assert account.asked == {"beyond --limit 10": [90, 90]}
    assert [item.path for item in selecting.limit(list(reversed(items)), 10, 0, Account())][::-1] == [
        item.path for item in kept
    ]
    assert selecting.limit(items, 10, 1, Account()) != kept


def test_a_limit_below_the_number_of_splits_is_refused():
    with pytest.raises(UserError, match="--limit 1"):
        selecting.limit([found("a", split="train"), found("b", split="val")], 1, 0, Account())
