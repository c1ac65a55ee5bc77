"""The order of the training pictures."""

from __future__ import annotations

from collections import Counter

import numpy as np

from isomer.dataset.canonical import Box, Picture
from isomer.stream import Stream, repeat_factors


def _pictures(*classes: tuple[int, ...]) -> list[Picture]:
    return [
        Picture(number, f"{number}.png", 9, 9, tuple(Box(one, 0, 0, 5, 5) for one in found))
        for number, found in enumerate(classes, start=1)
    ]


# class 1 in 90 pictures, class 2 in 20, class 3 in 5; five without any
MANY = _pictures(*[(1,)] * 80, *[(1, 2)] * 10, *[(2,)] * 10, *[(3, 3)] * 5, *[()] * 5)


def test_every_epoch_has_every_picture_once_in_another_order():
    stream = Stream(MANY, 3, balance=False)
    epochs = [[stream[epoch * 110 + place] for place in range(110)] for epoch in range(3)]
    assert all(sorted(epoch) == list(range(110)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert [Stream(MANY, 3, balance=False)[place] for place in range(110)] == epochs[0]
    assert [Stream(MANY, 4, balance=False)[place] for place in range(110)] != epochs[0]


def test_repeat_factors_are_the_papers():
    factors = repeat_factors(MANY)
    np.testing.assert_allclose(factors[:100], 1)  # as frequent as the median class, or more
    np.testing.assert_allclose(factors[100:105], np.sqrt(20 / 5))
    np.testing.assert_allclose(factors[105:], 1)


def test_crowds_do_not_count_and_no_boxes_are_no_error():
    crowd = Picture(1, "a.png", 9, 9, (Box(1, 0, 0, 5, 5, crowd=True),))
    np.testing.assert_allclose(repeat_factors([crowd]), 1)


def test_balanced_epochs_are_equally_long_and_leave_none_out():
    stream = Stream(MANY, 0, balance=True)
    assert len(stream) == 115
    for epoch in range(5):
        times = Counter(stream[epoch * 115 + place] for place in range(115))
        assert set(times) == set(range(110))
        assert all(times[index] == 2 for index in range(100, 105))


def test_a_factor_between_whole_numbers_is_met_on_average():
    pictures = _pictures(*[(1,)] * 60, *[(2,)] * 30, *[(3,)] * 12)  # the median class 2: class 3 has 1.58
    stream = Stream(pictures, 0, balance=True)
    times = Counter(stream[place] for place in range(200 * len(stream)))
    rare = sum(times[index] for index in range(90, 102)) / 200 / 12
    assert abs(rare - np.sqrt(30 / 12)) < 0.03
