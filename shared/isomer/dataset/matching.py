"""Annotations find their pictures: what is said of each picture file of a source, and what is left on either side."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath

from isomer.dataset.account import Account
from isomer.dataset.formats import Detected
from isomer.dataset.pictures import Header, PictureSource
from isomer.dataset.source import LeftOut, Reading, SourceBox, SourcePicture, Tree, split_of


@dataclass(slots=True)
class Found:
    """A picture of the source, what annotations say of it, and what becomes of it.

    path: relative, or the name of a picture inside an annotation. sha256: of the file; fingerprint: of what it shows.
    """

    path: str
    annotations: list[SourcePicture] = field(default_factory=list)
    header: Header | None = None
    sha256: str = ""
    fingerprint: bytes = b""
    boxes: list[SourceBox] = field(default_factory=list)
    file_name: str = ""

    def picture(self, tree: Tree) -> PictureSource:
        """Where the picture is: its file, or inside an annotation."""
        inside = next((item.embedded for item in self.annotations if item.embedded), None)
        return inside.load if inside and inside.name == self.path else tree.root / self.path

    @property
    def split(self) -> str | None:
        own = next((item.split for item in self.annotations if item.split), None)
        return own or split_of(self.path)

    @property
    def boxes_read(self) -> int:
        return sum(len(item.boxes) for item in self.annotations)


def match(tree: Tree, reading: Reading, others: list[Detected], account: Account) -> list[Found]:
    """The pictures that belong to the source: those annotated, and those beside them as negatives.

    What only an annotation in one of the `others` speaks of is no negative.
    """
    elsewhere = {path: (other.format.NAME, count) for other in others for path, count in other.boxes.items()}
    found: dict[str, Found] = {}
    for item in reading.pictures:
        nearest = tree.find_picture(item)
        if len(nearest) != 1:
            reason = f"fits several pictures ({nearest[0]}, {nearest[1]})" if nearest else "without its picture"
            name = item.annotation if item.names[:1] == (PurePosixPath(item.annotation).stem,) else ""
            name = name or f"{item.annotation}: {item.names[0] if item.names else 'no file name'}"
            account.left_out.append(LeftOut("annotation", reason, name, len(item.boxes)))
            continue
        one = found.setdefault(nearest[0], Found(nearest[0]))
        if {other.split for other in one.annotations} - {item.split, None} and item.split:
            reason = f"of a picture that {one.annotations[0].annotation} has in another split"
            account.left_out.append(LeftOut("annotation", reason, f"{item.annotation}: {one.path}", len(item.boxes)))
            continue
        one.annotations.append(item)
    folders = {PurePosixPath(path).parent for path in found}
    for path in tree.pictures:
        if path in found:
            continue
        if PurePosixPath(path).parent not in folders:
            account.elsewhere += 1
        elif path in elsewhere:
            name, count = elsewhere[path]
            account.left_out.append(LeftOut("picture", f"that only {name} has boxes for", path, count))
        elif reading.listed:
            account.left_out.append(LeftOut("picture", "in no list of the source", path))
        else:
            found[path] = Found(path)
    account.pictures_read = len(found) + sum(item.what == "picture" for item in account.left_out)
    account.boxes_read = sum(item.boxes_read for item in found.values())
    account.boxes_read += sum(item.boxes for item in account.left_out)
    return [found[path] for path in sorted(found)]
