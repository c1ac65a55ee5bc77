"""What an import read, kept, changed and left out, with reasons and names: said at its end, saved in dataset.json."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from isomer.dataset.source import LeftOut, some


@dataclass
class Account:
    """The numbers add up: pictures and boxes read are those kept and those left out.

    elsewhere: picture files in folders without any annotated picture (masks, previews), which are not looked at.
    unused: classes the source names that no kept box has. notes: what was assumed where the source says nothing.
    asked: what options left out: pictures and boxes by the reason. division: how the splits came about, in words.
    """

    left_out: list[LeftOut] = field(default_factory=list)
    changed: Counter[str] = field(default_factory=Counter)
    pictures_read: int = 0
    boxes_read: int = 0
    pictures_kept: int = 0
    boxes_kept: int = 0
    negatives: int = 0
    linked: int = 0
    elsewhere: int = 0
    unused: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    asked: dict[str, list[int]] = field(default_factory=dict)
    division: str = ""

    def unasked(self, reason: str, *, pictures: int = 0, boxes: int = 0) -> None:
        """Count what an option left out."""
        counts = self.asked.setdefault(reason, [0, 0])
        counts[0] += pictures
        counts[1] += boxes

    def reasons(self) -> dict[tuple[str, str], list[LeftOut]]:
        """What was left out, by what it is and why."""
        groups = defaultdict(list)
        for item in self.left_out:
            groups[item.what, item.reason].append(item)
        return dict(sorted(groups.items()))

    def to_json(self) -> dict:
        return {
            "read": {"pictures": self.pictures_read, "boxes": self.boxes_read},
            "kept": {"pictures": self.pictures_kept, "without_boxes": self.negatives, "boxes": self.boxes_kept},
            "left_out": [
                {
                    "what": what,
                    "reason": reason,
                    "count": len(items),
                    "boxes": sum(item.boxes for item in items),
                    "names": [item.name.encode("utf-8", "replace").decode() for item in items],
                }
                for (what, reason), items in self.reasons().items()
            ],
            "left_out_as_asked": [
                {"reason": reason, "pictures": pictures, "boxes": boxes}
                for reason, (pictures, boxes) in sorted(self.asked.items())
            ],
            "changed": dict(sorted(self.changed.items())),
            "pictures_elsewhere": self.elsewhere,
            "classes_without_boxes": list(self.unused),
            "notes": list(self.notes),
            "division": self.division,
        }

    def text(self) -> str:
        """The account for a terminal, one matter a line."""
        lines = [f"read      {_count(self.pictures_read, 'picture')}, {_count(self.boxes_read, 'box')}"]
        if self.pictures_kept:
            without = f" ({self.negatives} of them without boxes, as negatives)" if self.negatives else ""
            lines += [f"kept      {_count(self.pictures_kept, 'picture')}{without}, {_count(self.boxes_kept, 'box')}"]
        for (what, reason), items in self.reasons().items():
            boxes = sum(item.boxes for item in items)
            count = boxes if what == "box" else len(items)
            with_them = f" with {_count(boxes, 'box')}" if boxes and what != "box" else ""
            names = some(dict.fromkeys(item.name for item in items))
            lines += [f"left out  {_count(count, what)}{with_them}, {reason}: {names}"]
        for reason, (pictures, boxes) in sorted(self.asked.items()):
            counts = [_count(pictures, "picture")] * bool(pictures) + [_count(boxes, "box")] * bool(boxes)
            lines += [f"unasked   {' with '.join(counts)} {reason}"]
        lines += [f"changed   {count} {change}" for change, count in sorted(self.changed.items())]
        if self.linked:
            lines += [f"linked    {_count(self.linked, 'picture')}"]
        if self.elsewhere:
            lines += [f"not taken {_count(self.elsewhere, 'picture')} in folders without annotated ones"]
        if self.unused:
            lines += [f"dropped   {_count(len(self.unused), 'class')} without boxes: {some(self.unused)}"]
        lines += [f"note      {note}" for note in self.notes]
        if self.boxes_kept and self.negatives * 2 > self.pictures_kept:
            lines += ["note      most pictures have no box: take those out that are only not labelled yet"]
        if self.division:
            lines += [f"splits    {self.division}"]
        return "\n".join(lines)


def _count(number: int, what: str) -> str:
    plural = f"{what}es" if what.endswith(("x", "ss")) else f"{what}s"
    return f"{number} {what if number == 1 else plural}"
