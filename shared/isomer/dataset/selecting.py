"""What of a source is wanted: so many pictures, some classes under new names, boxes of some size.

A picture that loses its last box so is left out. As a negative it would teach that what it shows is nothing.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from isomer.dataset import splits
from isomer.dataset.account import Account
from isomer.dataset.matching import Found
from isomer.errors import UserError, known

ALL_OTHERS = "*"


@dataclass(frozen=True)
class Classes:
    """Which classes are kept under which names, in the order of their ids; others: the rest too, behind them."""

    names: dict[str, str]
    others: bool

    def name_of(self, label: str) -> str | None:
        """The class of a box with this label; None if it is not wanted."""
        return self.names.get(label) or (label if self.others else None)

    def in_order(self, labels: Iterable[str]) -> tuple[str, ...]:
        """The classes that come of these labels, in the order of their ids."""
        rest = [name for label in labels if (name := self.name_of(label))]
        return tuple(dict.fromkeys((*self.names.values(), *rest)))


def parse_classes(text: str) -> Classes:
    """`person,dog=animal,cat=animal`: keep, rename and merge; `*` stands for all others as they are.

    Raises:
        UserError: a name is empty, or a class is there twice; the message names --classes.
    """
    names: dict[str, str] = {}
    words = [word.strip() for word in text.split(",")]
    for word in words:
        old, equals, new = (part.strip() for part in word.partition("="))
        if not old or (equals and not new) or old in names:
            raise UserError(
                f"--classes {text}: {word!r} is no class; write a,b to keep, old=new to rename, * for all others"
            )
        if word != ALL_OTHERS:
            names[old] = new or old
    return Classes(names, ALL_OTHERS in words)


def only(text: str, labels: Collection[str]) -> str:
    """`--classes` without those of which there is nothing."""
    words = [word.strip() for word in text.split(",")]
    return ",".join(word for word in words if word == ALL_OTHERS or word.partition("=")[0].strip() in labels)


def check_classes(classes: Classes, labels: Iterable[str]) -> None:
    """Refuse classes that the source does not have.

    Raises:
        UserError: it names the class and the nearest one.
    """
    labels = set(labels)
    for name in classes.names:
        if name not in labels:
            raise known("class in --classes:", name, labels)


def limit(found: list[Found], most: int, seed: int, account: Account) -> list[Found]:
    """At most so many pictures, of each split its share; which ones depends on their names and the seed alone."""
    if len(found) <= most:
        return found
    by_split = defaultdict(list)
    for item in found:
        by_split[item.split or ""].append(item)
    if most < len(by_split):
        raise UserError(
            f"--limit {most} cannot fill the source's {len(by_split)} splits: each needs one picture at least"
        )
    sizes = splits.sizes(most, {split: len(items) for split, items in by_split.items()})
    taken = set()
    for split, items in by_split.items():
        items.sort(key=lambda item: hashlib.sha256(f"{seed}/{item.path}".encode("utf-8", "surrogateescape")).digest())
        taken.update(item.path for item in items[: sizes[split]])
    for item in found:
        if item.path not in taken:
            account.unasked(f"beyond --limit {most}", pictures=1, boxes=item.boxes_read)
    return [item for item in found if item.path in taken]


def select(found: list[Found], classes: Classes | None, min_area: float, account: Account) -> list[Found]:
    """The pictures with the boxes that are wanted, under the names that are wanted."""
    kept = []
    for item in found:
        unwanted: Counter[str] = Counter()
        boxes = []
        for box in item.boxes:
            name = classes.name_of(box.label) if classes else box.label
            if name is None:
                unwanted[f"of class {box.label}, which --classes does not name"] += 1
            elif box.width * box.height < min_area:
                unwanted[f"smaller than --min-area {min_area:g}"] += 1
            else:
                boxes.append(box if name == box.label else replace(box, label=name))
        for reason, count in unwanted.items():
            account.unasked(reason, boxes=count)
        if boxes or not item.boxes:
            item.boxes = boxes
            kept.append(item)
        else:
            account.unasked("of which no box is left by --classes and --min-area", pictures=1)
    return kept
