"""What converters say when they fail, in words for people: the cause and the cure of each known message.

A message of tf2onnx or torch.onnx names an operator or a line of the tool's own code. The table maps it to what is
wrong with the model or the settings. Entries are data, in one module a tool; this module knows none of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from isomer.contract import OPSET
from isomer.errors import CheckFailed
from isomer.progress import say

T = TypeVar("T")

LONGEST = 300  # characters of a tool's message that are repeated
# Opsets that a converter is asked for, one after the other: the contract's, then those in which other operators are
# written; what comes out is raised or lowered to the contract's afterwards.
LADDER = (OPSET, 17, 16, 15, 13, 20)


@dataclass(frozen=True)
class Failure:
    """A known message.

    Attributes:
        pattern: regular expression, searched in the message; its named groups may stand in cause and cure as {name}.
        cause: what is wrong.
        cure: what to do, as far as it is the user who can do it.
        climbs: another opset may help, whatever the message says.
        says: messages of this kind as the tool writes them, for docs/when-it-goes-wrong.md.
    """

    pattern: str
    cause: str
    cure: str
    climbs: bool = False
    says: tuple[str, ...] = ()

    def match(self, message: str) -> re.Match[str] | None:
        return re.search(self.pattern, " ".join(message.split()), re.IGNORECASE)


class ConversionFailed(CheckFailed):
    """A converter failed; the sentence says why and what to do, `message` is what the tool itself said."""

    def __init__(self, sentence: str, message: str) -> None:
        super().__init__(sentence)
        self.message = message


def find(message: str, table: Iterable[Failure]) -> tuple[Failure, dict[str, str]] | None:
    """The first entry that fits a message, and its named groups."""
    for entry in table:
        match = entry.match(message)
        if match:
            return entry, {key: value or "?" for key, value in match.groupdict().items()}
    return None


def explain(tool: str, message: str, table: Iterable[Failure]) -> str:
    """The sentence for a tool's message: cause and cure where it is known, and the message itself."""
    known = find(message, table)
    said = shorten(message)
    if known is None:
        return f"{tool} cannot convert it: {said}"
    entry, groups = known
    return f"{entry.cause.format(**groups)}. {entry.cure.format(**groups)} ({tool}: {said})"


def shorten(message: str) -> str:
    """A message in one line, its end left out where it is long; the last line of a traceback is what counts."""
    lines = [line.strip() for line in message.strip().splitlines() if line.strip()]
    if lines and lines[0].startswith("Traceback"):
        lines = lines[-1:]
    text = " ".join(" ".join(lines).split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def climb(
    tool: str,
    convert: Callable[[int], T],
    table: Sequence[Failure],
    errors: tuple[type[Exception], ...] = (Exception,),
    ladder: Sequence[int] = LADDER,
) -> tuple[T, int]:
    """Try one opset after the other until one converts; returns what it made and the opset.

    Args:
        convert: called with an opset; raises one of `errors` whose text is the tool's message (with what it logged,
            for tools that log an error and go on).

    Raises:
        ConversionFailed: none converts, or the first failure is one that no opset mends. It tells of the first one:
            that is the contract's opset.
    """
    first: str | None = None
    for opset in ladder:
        try:
            made = convert(opset)
        except errors as error:
            message = str(error) or type(error).__name__
            first = first or message
            known = find(message, table)
            if known is not None and not known[0].climbs:
                raise ConversionFailed(explain(tool, message, table), message) from error
            say(f"opset {opset}: {tool} fails ({shorten(message)[:160]})")
            continue
        if first is not None:
            say(f"opset {opset} converts")
        return made, opset
    assert first is not None, "a ladder has a step"
    raise ConversionFailed(f"{explain(tool, first, table)}; opsets {', '.join(map(str, ladder))} were tried", first)
