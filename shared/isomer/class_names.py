"""Which of a model's classes are which of a dataset's, when the two were named by different people.

Each class of the model becomes at most one of the dataset's, by the first of these that says so:

    given      --map theirs=ours
    exact      the same name
    spelling   but for capitals, spaces, hyphens, underscores and a plural s
    synonym    COCO's names and what Pascal VOC, Open Images and others call the same
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from isomer.errors import UserError, known

GIVEN, EXACT, SPELLING, SYNONYM = WAYS = ("given", "exact", "spelling", "synonym")

SYNONYMS = (
    ("person", "people", "human", "human being", "pedestrian"),
    ("bicycle", "bike", "cycle"),
    ("car", "automobile"),
    ("motorcycle", "motorbike", "motor bike"),
    ("airplane", "aeroplane", "plane", "aircraft"),
    ("truck", "lorry"),
    ("traffic light", "traffic signal", "stoplight"),
    ("fire hydrant", "hydrant"),
    ("cow", "cattle"),
    ("handbag", "purse"),
    ("frisbee", "flying disc"),
    ("skis", "ski"),
    ("sports ball", "ball"),
    ("cell phone", "mobile phone", "mobile", "phone", "telephone"),
    ("donut", "doughnut"),
    ("couch", "sofa"),
    ("potted plant", "houseplant", "plant"),
    ("dining table", "table"),
    ("tv", "tv monitor", "television", "monitor"),
    ("mouse", "computer mouse"),
    ("keyboard", "computer keyboard"),
    ("remote", "remote control"),
    ("microwave", "microwave oven"),
    ("refrigerator", "fridge"),
    ("hair drier", "hair dryer"),
    ("face", "human face"),
)


@dataclass(frozen=True)
class Names:
    """How the classes of a model and a dataset go together.

    Attributes:
        pairs: of the model's name and the dataset's, and by which of `WAYS`, in the order of the model's classes.
        only_model, only_data: names that have no other.
        ambiguous: names of the model that fit several of the dataset's equally well, and those.
    """

    pairs: tuple[tuple[str, str, str], ...]
    only_model: tuple[str, ...]
    only_data: tuple[str, ...]
    ambiguous: tuple[tuple[str, tuple[str, ...]], ...]

    def ids(self, model: Sequence[str], data: Sequence[str]) -> dict[int, int]:
        """The dataset's class id of each of the model's that has one; both count from 1."""
        return {model.index(theirs) + 1: data.index(ours) + 1 for theirs, ours, _ in self.pairs}

    def by_way(self) -> dict[str, list[tuple[str, str]]]:
        """The pairs, by how they were found."""
        return {way: [(one, two) for one, two, by in self.pairs if by == way] for way in WAYS}


def parse(words: str | None) -> dict[str, str]:
    """`--map theirs=ours,…`.

    Raises:
        UserError: a part of it is no pair, or names one class of the model twice.
    """
    pairs: dict[str, str] = {}
    for part in words.split(",") if words else ():
        theirs, equals, ours = (word.strip() for word in part.partition("="))
        if not (theirs and equals and ours):
            raise UserError(f"--map: {part.strip()!r} is not theirs=ours, a class of the model and one of the dataset")
        if pairs.setdefault(theirs, ours) != ours:
            raise UserError(f"--map: {theirs!r} cannot be both {pairs[theirs]!r} and {ours!r}")
    return pairs


def check(given: dict[str, str], models: Iterable[str], data: Sequence[str]) -> None:
    """Raises UserError where --map names a class that no model has, or the dataset has not."""
    models = set(models)
    for theirs, ours in given.items():
        if theirs not in models:
            raise known("class of a model in --map", theirs, models)
        if ours not in data:
            raise known("class of the dataset in --map", ours, data)


def match(model: Sequence[str], data: Sequence[str], given: dict[str, str]) -> Names:
    """The classes of a model and of a dataset together; `given` is what --map says."""
    found = {name: (given[name], GIVEN) for name in model if name in given}
    ambiguous: dict[str, tuple[str, ...]] = {}
    keys: tuple[tuple[str, Callable[[str], str]], ...] = ((EXACT, str), (SPELLING, _spelling), (SYNONYM, _meaning))
    for way, key in keys:
        taken = {ours for ours, _ in found.values()}
        free = [name for name in data if name not in taken]
        for name in model:
            fitting = [ours for ours in free if key(ours) == key(name)] if name not in found else []
            if len(fitting) == 1:
                found[name] = (fitting[0], way)
            elif fitting:
                ambiguous[name] = tuple(fitting)
    used = {ours for ours, _ in found.values()}
    return Names(
        pairs=tuple((name, *found[name]) for name in model if name in found),
        only_model=tuple(name for name in model if name not in found),
        only_data=tuple(name for name in data if name not in used),
        ambiguous=tuple((name, fitting) for name, fitting in ambiguous.items() if name not in found),
    )


def _spelling(name: str) -> str:
    """`Traffic_Lights` -> `trafficlight`."""
    plain = re.sub(r"[\W_]+", "", name.casefold())
    # glass and bus end in s too
    return plain[:-1] if plain.endswith("s") and not plain.endswith(("ss", "us")) and len(plain) > 3 else plain


_MEANINGS = {_spelling(name): _spelling(group[0]) for group in SYNONYMS for name in group}


def _meaning(name: str) -> str:
    return _MEANINGS.get(_spelling(name), _spelling(name))
