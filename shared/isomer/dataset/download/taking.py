"""Which pictures are taken where not all are: as many of each class as of the others, in the order they come."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping

from isomer.dataset import splits
from isomer.errors import UserError

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}


class Taking:
    """Takes at most so many pictures; a class that has its share is taken further only if others do not fill theirs."""

    def __init__(self, classes: Collection[str], most: int | None) -> None:
        self.most = most
        self.share = math.ceil(most / len(classes)) if most else 0
        self.taken: dict[str, None] = {}
        self._spare: dict[str, None] = {}
        self._counts = Counter(dict.fromkeys(classes, 0))

    @property
    def is_full(self) -> bool:
        return self.most is not None and len(self.taken) >= self.most

    def offer(self, picture: str, classes: Collection[str]) -> bool:
        """Whether a picture with these classes is taken, or kept in case that others are too few."""
        if picture in self.taken or picture in self._spare:
            return True
        wanted = self.most is None or (not self.is_full and any(self._counts[one] < self.share for one in classes))
        if wanted:
            self.taken[picture] = None
            self._counts.update(set(classes))
        elif not self.is_full and len(self._spare) < (self.most or 0):
            self._spare[picture] = None
        else:
            return False
        return True

    def close(self) -> list[str]:
        """The pictures that are taken, no more being offered."""
        free = (self.most or 0) - len(self.taken)
        return [*self.taken, *list(self._spare)[: max(free, 0)]]


def parts_of(text: str | None, known: Collection[str]) -> tuple[tuple[str, ...], str | None]:
    """`--split`: the source's splits that are taken, and the shares to divide anew if it gives those.

    Raises:
        UserError: it is neither; the message names --split and the splits there are.
    """
    words = [{"val": "validation", "valid": "validation"}.get(word, word) for word in (text or "").split(",")]
    words = [word.strip() for word in words]
    if text is None:
        return tuple(known), None
    if all(word in known for word in words):
        parts = tuple(part for part in known if part in words)
        # there must be something to train on
        anew = len(parts) > 1 and "train" not in parts
        return parts, ",".join(map(str, splits.DEFAULT_SHARES)) if anew else None
    if any(word.isalpha() for word in words):
        raise UserError(
            f"--split {text}: the source has {', '.join(known)}; name those to take, or give shares of train,val,test "
            "like 0.8,0.1,0.1 to divide anew"
        )
    splits.parse_shares(text)
    return tuple(known), text


def quotas(limit: int | None, parts: Collection[str]) -> Mapping[str, int | None]:
    """How many pictures each of the source's splits is to give.

    Raises:
        UserError: fewer than one each.
    """
    if limit is None:
        return dict.fromkeys(parts)
    if limit < len(parts):
        raise UserError(f"--limit {limit} cannot fill {len(parts)} splits: each needs one picture at least")
    return splits.sizes(limit, {part: SHARES[part] for part in parts})
