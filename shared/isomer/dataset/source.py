"""What an import reads from: a folder's files, and pictures as an annotation format describes them.

Nothing here opens a picture; a format module turns a `Tree` into a `Reading`, and the import does the rest.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from isomer.errors import UserError

PICTURE_SUFFIXES = frozenset((".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"))
SPLIT_WORDS = {
    "train": re.compile(r"train(ing)?(\d{4})?"),
    "val": re.compile(r"(val|valid|validation|dev)(\d{4})?"),
    "test": re.compile(r"test(ing)?(\d{4})?"),
}
ANNOTATION_FOLDER = re.compile(r"annotations?|labels?|anno|.*_split|imagesets", re.IGNORECASE)
COMPANION = re.compile(
    r".*\.(pbtxt|names)|_darknet\.labels|.*classes\.(txt|csv)|.*class-descriptions.*\.csv|labels\.txt|(readme|licen[cs]e).*",
    re.IGNORECASE,
)
SEPARATORS = re.compile(r"[\\/]+")
INDEX_SUFFIXES = (".yaml", ".yml", ".data", ".txt")


@dataclass(frozen=True, slots=True)
class SourceBox:
    """A labelled rectangle in pixels of the picture as the annotation knows it; x, y from its upper left corner."""

    label: str
    x: float
    y: float
    width: float
    height: float
    crowd: bool = False

    @classmethod
    def around(cls, label: str, points: Iterable[tuple[float, float]], *, crowd: bool = False) -> SourceBox:
        """The rectangle around points (x, y), of which there must be one at least."""
        xs, ys = zip(*points, strict=True)
        return cls(label, min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys), crowd)

    @property
    def corners(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Upper left and lower right, x and y of each."""
        return (self.x, self.y), (self.x + self.width, self.y + self.height)


@dataclass(frozen=True, slots=True)
class Embedded:
    """A picture inside an annotation file: a name like a relative path that no other picture has, and its bytes."""

    name: str
    load: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class SourcePicture:
    """A picture that an annotation speaks of.

    annotation: the annotation file, relative; names: what the picture may be called, the likeliest first, relative
    or not, with or without a suffix; size: width and height the annotation gives, if it does; fractions: the boxes
    are in fractions of the picture, not in pixels; embedded: the picture itself, taken where no file is found.
    """

    annotation: str
    names: tuple[str, ...]
    size: tuple[int, int] | None
    boxes: tuple[SourceBox, ...]
    split: str | None = None
    fractions: bool = False
    embedded: Embedded | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something of the source that the dataset will not have: what, why, where; and how many boxes went with it."""

    what: str  # "annotation", "picture" or "box"
    reason: str
    name: str
    boxes: int = 0


@dataclass
class Reading:
    """All that a format module found.

    labels: the classes in the source's own order; empty if it has none. splits: what the source declares by a file
    or list of its own, be it empty. listed: the source itself names the pictures it consists of, so that others
    beside them do not belong to it. notes: what was assumed where the source says nothing, in words.
    """

    pictures: list[SourcePicture] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    labels: tuple[str, ...] = ()
    splits: set[str] = field(default_factory=set)
    licence: str | None = None
    listed: bool = False
    notes: list[str] = field(default_factory=list)


class AnnotationError(ValueError):
    """An annotation that cannot be used; the message is the reason, without the file's name."""


class Tree:
    """The files of a source, by relative path with forward slashes, sorted; hidden ones are not seen.

    Of a folder these are all under it. Of an annotation file they are itself, the pictures and lists of classes beside
    it, and the label files if it is what holds them together; `root` is its folder, or the one above if that is only
    for annotations. `name` is what to call the source in messages.

    Raises:
        UserError: there is no such folder or file.
    """

    def __init__(self, path: Path, name: str = "") -> None:
        self.name = name or str(path)
        if path.is_dir():
            self.root = path
            self.files = sorted(_walk(path))
        elif path.is_file():
            self.root = path.parent.parent if ANNOTATION_FOLDER.match(path.parent.name) else path.parent
            self.files = sorted(_belonging(path, self.root))
        else:
            raise UserError(f"there is no folder or file {path}")

    def with_suffix(self, suffix: str) -> list[str]:
        return [name for name in self.files if name.lower().endswith(suffix)]

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()

    def head(self, name: str, count: int = 4096) -> bytes:
        """The first bytes of a file."""
        with (self.root / name).open("rb") as stream:
            return stream.read(count)

    def has_picture(self, stem: str) -> bool:
        """Whether any picture file has this name, without its suffix."""
        return _key(stem) in self._by_stem

    @cached_property
    def pictures(self) -> list[str]:
        return [name for name in self.files if PurePosixPath(name).suffix.lower() in PICTURE_SUFFIXES]

    def describe(self) -> str:
        """How many files of which kind there are, for a message."""
        kinds = Counter(PurePosixPath(name).suffix.lower() or "without a suffix" for name in self.files)
        return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(6)) or "no files"

    def find_picture(self, picture: SourcePicture) -> list[str]:
        """The picture files that an annotation can mean: one if all is well, none, or several equally near.

        A name counts with its suffix first, then without. Of equal names in several folders that one is meant whose
        folders agree best with the name's own, then with the annotation's split or name (`instances_val2017.json` and
        `val2017/`), then with the annotation's place; at last capitals count. Where there is none, the picture inside
        the annotation is meant.
        """
        several: list[str] = []
        for name in picture.names:
            written = [part for part in SEPARATORS.split(name) if part not in ("", ".", "..")]
            if not written:
                continue
            *parts, last = map(_key, written)
            found = (
                self._by_name.get(last) or self._by_stem.get(last) or self._by_stem.get(PurePosixPath(last).stem) or []
            )
            nearest = found if len(found) < 2 else _nearest(found, parts, picture)
            if len(nearest) > 1:
                exact = [
                    path for path in nearest if written[-1] in (PurePosixPath(path).name, PurePosixPath(path).stem)
                ]
                nearest = exact or nearest
            if len(nearest) == 1:
                return nearest
            several = several or nearest
        return [picture.embedded.name] if picture.embedded and not several else several

    @cached_property
    def _by_name(self) -> defaultdict[str, list[str]]:
        return _grouped(self.pictures, lambda path: path.name)

    @cached_property
    def _by_stem(self) -> defaultdict[str, list[str]]:
        return _grouped(self.pictures, lambda path: path.stem)


def split_of(name: str, *, whole_name: bool = False) -> str | None:
    """The split that a relative path speaks of by its folders, or with `whole_name` by the file's name too.

    A folder counts if one of its words is a split's name: `train`, `valid`, `images_test`, `val2017`.
    """
    path = PurePosixPath(name.casefold())
    for part in reversed((*path.parts[:-1], *((path.stem,) if whole_name else ()))):
        words = re.split(r"[^a-z0-9]+", part)
        found = {split for split, pattern in SPLIT_WORDS.items() if any(pattern.fullmatch(word) for word in words)}
        if len(found) == 1:
            return found.pop()
    return None


def some(names: Iterable[str], most: int = 5) -> str:
    """Names for a sentence: the first few, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _walk(root: Path) -> Iterable[str]:
    """Relative paths of all files; links to folders are followed, each folder once."""
    seen = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        status = os.stat(folder)  # noqa: PTH116 (os.walk gives strings)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        relative = Path(folder).relative_to(root)
        yield from ((relative / name).as_posix() for name in names if not name.startswith("."))


def _belonging(path: Path, root: Path) -> Iterable[str]:
    """What of a folder's files belongs to one of them; a picture stands alone."""
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return [path.relative_to(root).as_posix()]
    texts = path.suffix.lower() in INDEX_SUFFIXES
    return [
        name
        for name in _walk(root)
        if root / name == path
        or PurePosixPath(name).suffix.lower() in PICTURE_SUFFIXES
        or COMPANION.fullmatch(PurePosixPath(name).name)
        or (texts and name.lower().endswith(".txt"))
    ]


def _key(name: str) -> str:
    """Equal for names that people take for equal: case, and the two ways Unicode writes an accent."""
    return unicodedata.normalize("NFC", name).casefold()


def _grouped(names: list[str], part) -> defaultdict[str, list[str]]:
    groups = defaultdict(list)
    for name in names:
        groups[_key(part(PurePosixPath(name)))].append(name)
    return groups


def _nearest(found: list[str], folders: list[str], picture: SourcePicture) -> list[str]:
    """Those of the files found whose folders agree best; see `Tree.find_picture`."""
    place = PurePosixPath(_key(picture.annotation))

    def agreement(name: str) -> tuple[int, int, int]:
        own = list(PurePosixPath(_key(name)).parts[:-1])
        hinted = any(folder in place.stem for folder in own) + (picture.split in (split_of(name), None))
        near = _shared(own, list(place.parts[:-1])) + _shared(own[::-1], list(place.parts[:-1])[::-1])
        return _shared(own[::-1], folders[::-1]), hinted, near

    best = max(map(agreement, found), default=None)
    return [name for name in found if agreement(name) == best]


def _shared(a: list[str], b: list[str]) -> int:
    """How many parts two paths have in common from their beginning."""
    count = 0
    for one, other in zip(a, b, strict=False):
        if one != other:
            break
        count += 1
    return count
