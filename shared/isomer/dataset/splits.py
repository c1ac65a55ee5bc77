"""Dividing pictures among train, val and test: the same way whatever the order of the files, each class everywhere."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping

from isomer.dataset.canonical import SPLITS
from isomer.errors import UserError

DEFAULT_SHARES = (0.8, 0.1, 0.1)


class Groups:
    """Names that belong together: what is joined, and what is joined to that."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}

    def first(self, name: str) -> str:
        """The first name of a name's group, in the alphabet's order."""
        parents = self._parents
        while (parent := parents.get(name, name)) != name:
            parents[name] = name = parents.get(parent, parent)
        return name

    def join(self, one: str, other: str) -> None:
        low, high = sorted((self.first(one), self.first(other)))
        self._parents[high] = low


def parse_shares(text: str) -> tuple[float, ...]:
    """`0.8,0.1,0.1` as shares of train, val and test.

    Raises:
        UserError: not three positive numbers that add up to 1; the message names --split.
    """
    try:
        shares = tuple(float(word) for word in text.split(","))
    except ValueError:
        shares = ()
    # written so that "nan" is refused
    if len(shares) != len(SPLITS) or not all(0 < share < 1 for share in shares) or not abs(sum(shares) - 1) < 1e-6:
        raise UserError(
            f"--split {text}: give the shares of {', '.join(SPLITS)} as three numbers above 0 that add up to 1, "
            f"like {','.join(map(str, DEFAULT_SHARES))}; no split can be empty"
        )
    return shares


def divide(
    pictures: Mapping[str, Collection[str]],
    shares: Mapping[str, float],
    seed: int,
    alike: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The split of each picture.

    Each class is divided in proportion, a picture counting for its rarest class, rare ones first. Pictures that
    are copies of one (the part of the name before Roboflow's `.rf.` is the same) or look alike stay together where
    there is room.

    Args:
        pictures: the labels in each picture, by its name in the source.
        shares: by split; they need not add up to 1.
        alike: of pictures that look alike, the name of the first.

    Raises:
        UserError: there are fewer pictures than splits.
    """
    if len(pictures) < len(shares):
        raise UserError(f"{len(pictures)} pictures cannot fill {len(shares)} splits: each needs one at least")
    room = sizes(len(pictures), shares)
    together = Groups()
    for name in sorted(pictures):
        together.join(name, name.split(".rf.")[0])
        together.join(name, (alike or {}).get(name, name))
    groups = defaultdict(list)
    for name in sorted(pictures):
        groups[together.first(name)].append(name)
    often = Counter(label for labels in pictures.values() for label in set(labels))
    strata = defaultdict(list)
    for group, names in groups.items():
        labels = {label for name in names for label in pictures[name]}
        strata[min(labels, key=lambda label: (often[label], label), default="")].append(group)
    total = sum(shares.values())
    chosen: dict[str, str] = {}
    for label in sorted(strata, key=lambda label: (label == "", often[label], label)):
        missing = {split: len(strata[label]) * share / total for split, share in shares.items()}
        for group in sorted(strata[label], key=lambda group: _shuffled(group, seed)):
            fits = any(free >= len(groups[group]) for free in room.values())
            for names in [groups[group]] if fits else [[name] for name in groups[group]]:
                free = [split for split in shares if room[split] >= len(names)]
                split = max(free, key=lambda split: (missing[split], room[split]))
                missing[split] -= 1
                room[split] -= len(names)
                chosen.update(dict.fromkeys(names, split))
    return chosen


def complete(
    own: Mapping[str, str],
    pictures: Mapping[str, Collection[str]],
    seed: int,
    alike: Mapping[str, str] | None = None,
) -> tuple[dict[str, str], str]:
    """The source's own splits, made whole where it lacks some, and what was done in words.

    Without splits, with one alone (which divides nothing) or with pictures in none, all are divided anew. Where val or
    test is missing, it is taken out of train.

    Raises:
        UserError: the source has val and test but nothing to train on.
    """
    there = [split for split in SPLITS if split in own.values()]
    defaults = dict(zip(SPLITS, DEFAULT_SHARES, strict=True))
    shares = ",".join(map(str, DEFAULT_SHARES))
    if len(there) == len(SPLITS) and own.keys() == pictures.keys():
        return dict(own), "the source's own splits"
    if not there:
        return divide(pictures, defaults, seed, alike), f"divided {shares}: the source has no splits"
    if len(there) == 1:
        return divide(
            pictures, defaults, seed, alike
        ), f"divided {shares}: all of the source is in its {there[0]} split"
    if own.keys() != pictures.keys():
        count = len(pictures.keys() - own.keys())
        return divide(
            pictures, defaults, seed, alike
        ), f"divided {shares}: {count} pictures are in none of the source's splits"
    if "train" not in there:
        raise UserError(f"the source has {' and '.join(there)} but no train split: give --split to divide all anew")
    lacking = next(split for split in SPLITS if split not in there)
    train = {name: labels for name, labels in pictures.items() if own[name] == "train"}
    part = defaults[lacking]
    divided = divide(train, {"train": 1 - part, lacking: part}, seed, alike)
    return {**own, **divided}, f"the source's own splits; it has no {lacking}, so {part} of its train became {lacking}"


def sizes(count: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Pictures per split, by largest remainder; at least one each."""
    exact = {split: count * share / sum(shares.values()) for split, share in shares.items()}
    found = {split: max(1, int(value)) for split, value in exact.items()}
    while (left := count - sum(found.values())) != 0:
        step = 1 if left > 0 else -1
        able = [split for split in found if found[split] + step >= 1]
        found[max(able, key=lambda split: step * (exact[split] - found[split]))] += step
    return found


def _shuffled(name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}/{name}".encode("utf-8", "surrogateescape")).digest()
