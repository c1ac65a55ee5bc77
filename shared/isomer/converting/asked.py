"""What a convert's flags say about pictures and outputs, read: sizes, grey levels, ways of resizing, roles."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection

from isomer.contract import Preprocessing, Resize
from isomer.errors import UserError, known
from isomer.flags import RESIZES, Convert

ROLES = ("boxes", "scores", "classes", "count")  # of a detector's outputs
_LEAST, _MOST = 16, 8192  # pixels
_WAYS = {
    "stretch": Resize(),
    "letterbox": Resize(mode="letterbox"),
    "letterbox-top-left": Resize(mode="letterbox", place="top_left"),
}
assert set(_WAYS) == set(RESIZES), "every word of --resize is a way"


def size(options: Convert) -> tuple[int, int] | None:
    """Height and width that --size names, in pixels.

    Raises:
        UserError: it is neither N nor HEIGHTxWIDTH.
    """
    return None if options.size is None else sides(options.size)


def sides(words: str) -> tuple[int, int]:
    """Height and width, in pixels, of what --size says.

    Raises:
        UserError: it is neither N nor HEIGHTxWIDTH.
    """
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", words.strip().lower())
    found = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not all(_LEAST <= side <= _MOST for side in found):
        raise UserError(f"--size {words}: give N or HEIGHTxWIDTH in pixels, each from {_LEAST} to {_MOST}")
    return found


def preprocessing(options: Convert, usual: Preprocessing) -> Preprocessing:
    """What is usual for a model, with what --mean, --std, --resize and --input-channels say instead.

    Raises:
        UserError: they are not numbers, or not one or three, or a divisor that is no positive number.
    """
    changed = {
        "mean": _levels("--mean", options.mean),
        "std": _levels("--std", options.std),
        "resize": _WAYS[options.resize] if options.resize else None,
        "channels": options.input_channels,
    }
    return dataclasses.replace(usual, **{key: value for key, value in changed.items() if value is not None})


def roles(options: Convert, outputs: Collection[str]) -> dict[str, str]:
    """--outputs: a model's outputs by role, or by number where only names are given.

    Raises:
        UserError: no such role or output.
    """
    given: dict[str, str] = {}
    for number, word in enumerate(options.outputs.split(",") if options.outputs else ()):
        role, equals, name = word.strip().rpartition("=")
        if equals and role not in ROLES:
            raise known("role (--outputs)", role, ROLES)
        if name not in outputs:
            raise known("output (--outputs)", name, outputs)
        given[role or str(number)] = name
    return given


def _levels(flag: str, words: str | None) -> tuple[float, float, float] | None:
    """One number for all channels, or three, red first."""
    if words is None:
        return None
    try:
        values = tuple(float(word) for word in words.split(","))
    except ValueError:
        values = ()
    values = values * 3 if len(values) == 1 else values
    if len(values) != 3 or not all(abs(value) < 1e6 for value in values):
        raise UserError(f"{flag} {words}: give one number, or three with commas (red, green, blue), in grey levels")
    if flag == "--std" and min(values) <= 0:
        raise UserError(f"{flag} {words}: it divides, so it must be above 0")
    return values
