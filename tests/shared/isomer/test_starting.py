"""What the processes of a run must have alike, and what is said where they do not."""

from __future__ import annotations

import copy

import pytest

from isomer.starting import differing, off

FACTS = {
    "code": "c" * 64,
    "packages": {"numpy": "2.3.5", "torch": "2.13.0"},
    "flags": {"weights": "coco", "steps": "20"},
    "dataset": ["pets", "d" * 64, [100, 200]],
}


def changed(**values) -> dict:
    return copy.deepcopy(FACTS) | values


def test_alike():
    assert differing([("n1", FACTS), ("n2", changed())]) is None
    assert differing([("n1", FACTS)]) is None


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (changed(code="e" * 64), "n3 runs other code of the project than n1 (sha256 eeeeeeeeeeee and cccccccccccc)"),
        (
            changed(packages={"numpy": "2.2.0", "torch": "2.13.0"}),
            "n3 has other packages than n1: numpy is 2.2.0 there and 2.3.5 on n1",
        ),
        (changed(packages={"numpy": "2.3.5"}), "torch is missing there and 2.13.0 on n1"),
        (changed(flags=FACTS["flags"] | {"weights": "none"}), "--weights has come to be none on n3 and coco on n1"),
        (changed(dataset=["pets", "e" * 64, [100, 200]]), "dataset 'pets' is another on n3 than on n1 (sha256 eeee"),
        (changed(dataset=["pets", "d" * 64, [100, 201]]), "dataset 'pets' is another on n3 than on n1"),
    ],
)
def test_what_differs_is_said_with_both_nodes(other, words):
    assert words in differing([("n1", FACTS), ("n2", changed()), ("n3", other)])


def test_clocks():
    assert off([("n1", 1000.0), ("n2", 1020.0), ("n3", 980.0)]) == []
    (ahead, behind) = off([("n1", 1000.0), ("n2", 1045.0), ("n3", 900.0)])
    assert "the clock of n2 is 45 s ahead of that of n1" in ahead
    assert "the clock of n3 is 100 s behind that of n1" in behind
