"""What `--grid` says, checked before anything starts: `lr=1e-3,3e-3 size=192,320` is every pair of the two."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from isomer import flags
from isomer.errors import UserError, unknown
from isomer.flags import FREE, Train, option
from isomer.sweep import Planned
from launcher import verbs
from launcher.verbs import Parsed

EXAMPLE = 'like "lr=1e-3,3e-3 size=192,320"'
SWITCH = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}
LONGEST = 120  # letters of a run's name
# why a flag cannot differ within a sweep
FIXED = {
    "data": "a sweep is of one dataset",
    "run": "each run is named by what differs",
    "nodes": "all runs are given the same",
    "devices": "all runs are given the same",
}


def parse(text: str, typed: dict[str, Any]) -> dict[str, list[Any]]:
    """The flags that are swept, by name, each with its values in the order given.

    Args:
        typed: the flags typed beside --grid, by name.

    Raises:
        UserError: it is empty, a flag is unknown, cannot be swept or stands twice, or a value is not allowed.
    """
    found: dict[str, list[Any]] = {}
    for word in text.split():
        if "=" not in word:
            raise UserError(f"--grid: {word!r} is no flag with values, {EXAMPLE}, without spaces around commas")
    for word in text.split():
        name, _, values = word.partition("=")
        key = _key(name)
        if key in found:
            raise UserError(f"--grid: {name} stands there twice: give all its values in one, separated by commas")
        found[key] = _values(key, values.split(","))
        if key in typed:
            raise UserError(f"{option(key)} is typed and in --grid: give it in one of them")
    if not found:
        raise UserError(f"--grid is empty: give flags with values, {EXAMPLE}")
    if {"steps", "epochs"} <= found.keys() | typed.keys():
        raise UserError("--steps and --epochs cannot both be given: each says how long the run is")
    return found


def _key(name: str) -> str:
    """The flag that is meant, as its field is named."""
    key = name.removeprefix("--").replace("-", "_")
    can = [item.name for item in fields(Train) if item.name not in FREE | FIXED.keys()]
    if key in can:
        return key
    if key not in {item.name for item in fields(Train)}:
        words = [option(one).removeprefix("--") for one in can]
        known = ", ".join(sorted(words))
        raise UserError(f"--grid: {unknown('flag', name.removeprefix('--'), words)} Known: {known}")
    raise UserError(f"--grid: {name} cannot be swept: {FIXED.get(key, 'it does not change what is learned')}")


def _values(key: str, words: Sequence[str]) -> list[Any]:
    values = [_value(key, word) for word in words]
    for value in values:
        if values.count(value) > 1:
            raise UserError(f"--grid: {option(key).removeprefix('--')} has {value} twice")
    return values


def _value(key: str, word: str) -> Any:
    """A value, or the flag's own error."""
    name = option(key).removeprefix("--")
    if not word:
        raise UserError(f"--grid: {name} has an empty value, as between two commas")
    if flags.value_type(Train, key) is not bool:
        return getattr(verbs.parse(Train, "sweep", {key: word}).flags, key)
    if word.lower() not in SWITCH:
        raise UserError(f"--grid: {name} is a switch: {word!r} must be true or false")
    return SWITCH[word.lower()]


def plan(grid: dict[str, list[Any]], base: str) -> list[Planned]:
    """The runs: every combination of the values, the first flag's changing slowest; named BASE-lr0.001-size192."""
    combinations = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    names = ["-".join([base, *(_label(key, value) for key, value in one.items())]) for one in combinations]
    return [
        Planned(name if names.count(name) == 1 and len(name) <= LONGEST else _shortened(name, one), one)
        for name, one in zip(names, combinations, strict=True)
    ]


def _label(key: str, value: Any) -> str:
    """`lr0.001`, `augment-light`, `amp-on`: what is safe in a file's name."""
    name = option(key).removeprefix("--")
    if isinstance(value, bool):
        return f"{name}-{'on' if value else 'off'}"
    if isinstance(value, int | float):
        return f"{name}{value:g}" if float(f"{value:g}") == value else f"{name}{value}"
    return f"{name}-{re.sub(r'[^A-Za-z0-9._-]', '_', Path(value).name)}"


def _shortened(name: str, settings: dict[str, Any]) -> str:
    """A name that is too long, or that two have, told apart by a hash of what it stands for."""
    return f"{name[: LONGEST - 9]}-{hashlib.sha256(repr(settings).encode()).hexdigest()[:8]}"


def parsed(typed: dict[str, Any], planned: Planned) -> Parsed:
    """The flags of one run's training: those for all, then its own, as if typed in this order."""
    # as words: a 0 would be taken for a flag that is not given
    settings = {key: value if isinstance(value, bool) else str(value) for key, value in planned.settings.items()}
    common = verbs.parse(Train, "sweep", typed)
    own = verbs.parse(Train, "sweep", {**settings, "run": planned.run})
    both = {**common.typed, **own.typed}
    return Parsed(verbs.parse(Train, "sweep", both).flags, both, [*common.argv, *own.argv])
