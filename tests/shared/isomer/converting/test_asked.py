"""Flags of convert that say how pictures reach a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from isomer.contract import Preprocessing
from isomer.converting import asked
from isomer.errors import UserError
from isomer.flags import Convert

USUAL = Preprocessing(layout="NCHW", height=300, width=300, mean=(127.0,) * 3, std=(128.0,) * 3)


def options(**values) -> Convert:
    return Convert(path=Path("x"), name="x", **values)


@pytest.mark.parametrize(("word", "sides"), [(None, None), ("320", (320, 320)), ("240x320", (240, 320))])
def test_size(word, sides):
    assert asked.size(options(size=word)) == sides


@pytest.mark.parametrize("word", ("0", "240×320", "big", "240x", "-3", "99999"))
def test_what_is_no_size(word):
    with pytest.raises(UserError, match=r"--size .*HEIGHTxWIDTH"):
        asked.size(options(size=word))


def test_what_is_not_said_stays():
    assert asked.preprocessing(options(), USUAL) == USUAL


def test_what_is_said_counts():
    found = asked.preprocessing(
        options(mean="123.5,117,104", std="58", resize="letterbox-top-left", input_channels="bgr"), USUAL
    )
    assert found.mean == (123.5, 117.0, 104.0)
    assert found.std == (58.0, 58.0, 58.0)
    assert (found.resize.mode, found.resize.place, found.channels) == ("letterbox", "top_left", "bgr")


@pytest.mark.parametrize("word", ("a", "1,2", "nan", "1,2,3,4"))
def test_what_are_no_grey_levels(word):
    with pytest.raises(UserError, match="--mean"):
        asked.preprocessing(options(mean=word), USUAL)


def test_nothing_is_divided_by_zero():
    with pytest.raises(UserError, match="--std 0"):
        asked.preprocessing(options(std="0"), USUAL)
