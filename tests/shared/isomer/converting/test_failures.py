"""The opset ladder and the table of messages, with a tool that fails as told."""

from __future__ import annotations

import pytest

from isomer.contract import OPSET
from isomer.converting.failures import LADDER, ConversionFailed, Failure, climb, explain, find, shorten

TABLE = (
    Failure(r"operator '(?P<name>\w+)' is not", "there is no {name} in this opset", "Another may have it", climbs=True),
    Failure(r"on cuda:0", "the model is on a GPU", "Move it to the CPU"),
)


class ToolError(Exception):
    pass


def tool(*good: int, message: str = "operator 'Fancy' is not supported"):
    asked = []

    def convert(opset: int) -> str:
        asked.append(opset)
        if opset not in good:
            raise ToolError(message)
        return f"model of {opset}"

    return convert, asked


def test_begins_at_the_contract_s_opset():
    convert, asked = tool(*LADDER)
    assert climb("tool", convert, TABLE) == (f"model of {OPSET}", OPSET)
    assert asked == [OPSET]


def test_the_next_one_is_tried_and_the_message_kept(capsys):
    convert, asked = tool(16)
    assert climb("tool", convert, TABLE, (ToolError,)) == ("model of 16", 16)
    assert asked == [18, 17, 16]
    assert "opset 18: tool fails (operator 'Fancy' is not supported)" in capsys.readouterr().out


def test_what_no_opset_mends_is_not_tried_again():
    convert, asked = tool(16, message="tensor on cuda:0")
    with pytest.raises(
        ConversionFailed, match=r"the model is on a GPU\. Move it to the CPU \(tool: tensor on cuda:0\)"
    ):
        climb("tool", convert, TABLE)
    assert asked == [18]


def test_all_fail():
    convert, asked = tool()
    with pytest.raises(ConversionFailed, match=r"there is no Fancy in this opset.*opsets 18, 17.* were tried"):
        climb("tool", convert, TABLE)
    assert asked == list(LADDER)


def test_an_unknown_message_climbs_and_is_repeated():
    convert, asked = tool(message="boom")
    with pytest.raises(ConversionFailed, match="tool cannot convert it: boom"):
        climb("tool", convert, TABLE)
    assert asked == list(LADDER)


def test_other_errors_are_not_caught():
    with pytest.raises(ZeroDivisionError):
        climb("tool", lambda opset: 1 // 0, TABLE, (ToolError,))


def test_messages():
    assert find("nothing known", TABLE) is None
    assert explain("tool", "x on\n  cuda:0", TABLE).endswith("(tool: x on cuda:0)") is True
    assert shorten("Traceback (most recent call last):\n  File\nValueError: it") == "ValueError: it"
    assert len(shorten("x" * 1000)) < 310
