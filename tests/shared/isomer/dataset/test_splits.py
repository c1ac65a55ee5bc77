"""Pictures are divided by their names alone, in proportion, and never so that a split is empty."""

from collections import Counter

import pytest

from isomer.dataset import splits
from isomer.errors import UserError

SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}


def pictures(count: int) -> dict[str, list[str]]:
    return {f"{number}.jpg": ["rare"] if number % 10 == 0 else ["common"] for number in range(count)}


@pytest.mark.parametrize("count", [3, 7, 10, 99, 1000])
def test_sizes_follow_the_shares_and_none_is_empty(count):
    sizes = Counter(splits.divide(pictures(count), SHARES, 0).values())
    assert sum(sizes.values()) == count
    assert all(sizes[split] >= 1 and abs(sizes[split] - count * SHARES[split]) <= 2 for split in SHARES)


def test_each_class_is_divided_in_proportion():
    chosen = splits.divide(pictures(1000), SHARES, 0)
    rare = Counter(chosen[name] for name, labels in pictures(1000).items() if labels == ["rare"])
    assert rare == {"train": 80, "val": 10, "test": 10}


def test_order_changes_nothing_and_the_seed_does():
    backwards = dict(reversed(pictures(100).items()))
    assert splits.divide(pictures(100), SHARES, 0) == splits.divide(backwards, SHARES, 0)
    assert splits.divide(pictures(100), SHARES, 0) != splits.divide(pictures(100), SHARES, 1)


def test_copies_of_one_picture_stay_together():
    copies = {f"{number // 3}_jpg.rf.{number}.jpg": ["a"] for number in range(300)}
    chosen = splits.divide(copies, SHARES, 0)
    assert all(len({chosen[name] for name in copies if name.startswith(f"{one}_")}) == 1 for one in range(100))


def test_copies_are_parted_rather_than_leaving_a_split_empty():
    copies = {f"one_jpg.rf.{number}.jpg": ["a"] for number in range(5)}
    assert set(splits.divide(copies, SHARES, 0).values()) == set(SHARES)


@pytest.mark.parametrize("text", ["1,0,0", "0.8,0.2", "0.8,0.1,0.2", "a,b,c", "nan,0.5,0.5", "80,10,10", ""])
def test_wrong_shares_are_refused_by_the_flags_name(text):
    with pytest.raises(UserError, match="--split"):
        splits.parse_shares(text)


def test_too_few_pictures_are_refused():
    with pytest.raises(UserError, match="2 pictures cannot fill 3 splits"):
        splits.divide(pictures(2), SHARES, 0)


def test_a_source_with_all_splits_keeps_them():
    own = {"0.jpg": "train", "1.jpg": "val", "2.jpg": "test"}
    assert splits.complete(own, pictures(3), 0)[0] == own


def test_a_missing_split_is_taken_out_of_train_alone():
    own = {name: "val" if int(name[:-4]) < 20 else "train" for name in pictures(120)}
    made, said = splits.complete(own, pictures(120), 0)
    assert Counter(made.values()) == {"train": 90, "val": 20, "test": 10}
    assert all(made[name] == "val" for name in own if own[name] == "val")
    assert "no test" in said


def test_a_lone_split_divides_nothing():
    made, said = splits.complete(dict.fromkeys(pictures(10), "test"), pictures(10), 0)
    assert Counter(made.values()) == {"train": 8, "val": 1, "test": 1}
    assert "all of the source is in its test split" in said


def test_nothing_to_train_on_is_refused():
    own = {name: "val" if int(name[:-4]) < 5 else "test" for name in pictures(10)}
    with pytest.raises(UserError, match="no train split: give --split"):
        splits.complete(own, pictures(10), 0)
