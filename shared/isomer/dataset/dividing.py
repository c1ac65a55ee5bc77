"""The splits of an import: the source's own, or new ones, and what is to be said of them."""

from __future__ import annotations

from collections import defaultdict

from isomer.dataset import alike, canonical, splits
from isomer.dataset.account import Account
from isomer.dataset.matching import Found
from isomer.errors import UserError


def divided(
    kept: list[Found], shares: tuple | None, declared: set[str], seed: int, account: Account, *, divide: bool
) -> dict[str, str]:
    """The split of each picture, by its path.

    Args:
        shares: what --split says. declared: splits that the source has. divide: whether pictures may be given another
            split than the source's.

    Raises:
        UserError: a split would be empty.
    """
    own = {item.path: item.split for item in kept if item.split}
    labels = {item.path: [box.label for box in item.boxes] for item in kept}
    if shares is None and not divide:
        account.division = "test, but for pictures in another split's folder: nothing has a box"
        return own
    together = alike.groups({item.path: item.fingerprint for item in kept}, {item.path: item.sha256 for item in kept})
    if shares is not None:
        division = splits.divide(labels, dict(zip(canonical.SPLITS, shares, strict=True)), seed, together)
        account.division = f"divided {','.join(f'{share:g}' for share in shares)} as --split says"
    else:
        _refuse_empty(declared, own, account)
        division, account.division = splits.complete(own, labels, seed, together)
    account.division += _said_of_alike(together, division, own)
    return division


def _said_of_alike(together: dict[str, str], division: dict[str, str], own: dict[str, str]) -> str:
    """What became of pictures that look alike, in words."""
    splits_of = defaultdict(set)
    for path, first in together.items():
        splits_of[first].add(division[path])
    parted = sum(len(splits_of[first]) > 1 for first in together.values())
    stay = len(together) - parted
    if division == own:
        return f"; {parted} pictures look like one in another split" * bool(parted)
    return f"; {stay} pictures that look like others stay in one split with these" * bool(stay) + (
        f"; {parted} that look like others were too many for one split" * bool(parted)
    )


def _refuse_empty(declared: set[str], own: dict[str, str], account: Account) -> None:
    """A split that the source has but that has no picture (left) is a mistake of somebody's, not a wish."""
    empty = [split for split in canonical.SPLITS if split in declared and split not in own.values()]
    if empty:
        raise UserError(
            f"the source's {' and '.join(empty)} split is empty: put pictures into it, or give --split to divide all "
            f"pictures anew\n{account.text()}"
        )
