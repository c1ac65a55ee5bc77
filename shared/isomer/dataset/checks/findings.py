"""What a check can find: every code with severity, meaning and advice; and findings, grouped and counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

ERROR, WARNING, NOTE = "error", "warning", "note"
SEVERITIES = (ERROR, WARNING, NOTE)
MOST_LINES = 22  # of findings, so that the whole answer fits a terminal of 24 lines
SHOWN = 3  # places named in a line; --json has them all


@dataclass(frozen=True)
class Code:
    """A kind of finding. what: stands behind a count; advice: an imperative."""

    severity: str
    what: str
    advice: str


@dataclass(slots=True)
class Finding:
    """One thing found.

    file: relative to what was checked, "" if it is about all of that. line: in a text file. record: which part of the
    file, where lines do not tell. value: what stands there. severity: where it is not the code's own. box: which box it
    is, for whoever locates it.
    """

    code: str
    file: str
    value: str = ""
    record: str = ""
    line: int | None = None
    severity: str = ""
    box: int | None = None

    def __post_init__(self) -> None:
        self.severity = self.severity or CODES[self.code].severity

    @property
    def place(self) -> str:
        """Where it is, for a person."""
        return ", ".join(filter(None, (f"{self.file}:{self.line}" if self.line else self.file, self.record)))

    @property
    def text(self) -> str:
        """Place and value."""
        return f"{self.place} ({self.value})" if self.place and self.value else self.place or self.value

    def to_json(self) -> dict:
        return {"file": self.file or None, "line": self.line, "record": self.record or None, "value": self.value}


CODES: dict[str, Code] = {
    # annotation files and their records
    "annotation-unreadable": Code(ERROR, "annotation files that cannot be read", "mend or remove them"),
    "formats-several": Code(NOTE, "formats that are there too, and not looked at", "--format takes another"),
    "record-unusable": Code(ERROR, "records that cannot be used", "mend or remove them"),
    "id-repeated": Code(ERROR, "ids that stand for several records", "give each record an id of its own"),
    "image-missing": Code(ERROR, "annotations without their picture", "bring the picture, or remove the annotation"),
    "image-ambiguous": Code(ERROR, "annotations that fit several pictures", "give the folder with the file name"),
    "image-not-listed": Code(ERROR, "boxes of a picture that is not listed", "list the picture, or remove them"),
    "annotation-not-listed": Code(WARNING, "annotations in no list of the source", "list them, or remove the lists"),
    "annotated-twice": Code(WARNING, "pictures annotated in several places", "keep one annotation a picture"),
    "split-contradiction": Code(ERROR, "pictures in several splits", "keep each picture in one split"),
    "no-boxes": Code(ERROR, "nothing is labelled", "check --format, and that labels lie beside the pictures"),
    # pictures
    "image-unreadable": Code(ERROR, "pictures that cannot be opened", "replace or remove them"),
    "image-truncated": Code(ERROR, "pictures that end early", "fetch them again, or remove them"),
    "image-giant": Code(WARNING, "pictures of more than 50 megapixels", "make them smaller, or cut them in tiles"),
    "image-small": Code(WARNING, "pictures with a side under 32 pixels", "check that they are no thumbnails"),
    "image-turned": Code(WARNING, "pictures turned by EXIF", "import turns picture and boxes; other tools may not"),
    "image-suffix": Code(NOTE, "pictures whose suffix is another format's", "import renames them"),
    "image-mode": Code(NOTE, "pictures that are no 8-bit RGB or grey JPEG or PNG", "import converts them"),
    "image-duplicate": Code(WARNING, "pictures that are there twice", "keep one; --fix does"),
    "leakage": Code(ERROR, "pictures that are in several splits", "take the copies out of train; --fix does"),
    "leakage-near": Code(WARNING, "pictures that look like one of another split", "keep near-copies in one split"),
    "image-unused": Code(WARNING, "pictures of images/ that no split has", "remove them, or import again"),
    "size-differs": Code(ERROR, "annotations with another size than the picture's", "import scales the boxes: look"),
    "size-missing": Code(NOTE, "annotations without a picture size", "import takes the picture's own"),
    # boxes
    "box-not-finite": Code(ERROR, "boxes with numbers that are not finite", "remove or redraw them"),
    "box-inverted": Code(ERROR, "boxes whose corners are exchanged", "swap min and max; --fix does"),
    "box-no-area": Code(ERROR, "boxes of no area", "remove or redraw them; import leaves them out"),
    "box-outside": Code(ERROR, "boxes wholly outside the picture", "redraw them; import leaves them out"),
    "box-over-edge": Code(WARNING, "boxes that reach over the picture's edge", "redraw them; import clips them"),
    "box-normalised": Code(ERROR, "boxes in fractions where pixels belong", "multiply by the size; --fix does"),
    "box-corners": Code(ERROR, "boxes that give corners where corner and size belong", "subtract; --fix does"),
    "box-tiny": Code(WARNING, "boxes with a side under 2 pixels", "check that they are no slips of the hand"),
    "box-tiny-at-size": Code(WARNING, "boxes too small at the input size", "train with a larger --size, or crop"),
    "box-whole-picture": Code(NOTE, "boxes around their whole picture", "check that they are labels of objects"),
    "box-thin": Code(NOTE, "boxes more than 20 times as long as wide", "check that they are meant"),
    "box-duplicate": Code(WARNING, "boxes that are there twice", "keep one; --fix does"),
    "box-two-classes": Code(WARNING, "boxes that have two classes", "keep the right one"),
    "boxes-many": Code(NOTE, "pictures with more than 100 boxes", "raise --max-detections at export"),
    # classes
    "class-unnamed": Code(ERROR, "boxes whose class id has no name", "name the class, or correct the ids"),
    "class-names-alike": Code(ERROR, "class names that differ in case or spaces only", "write one way; --fix does"),
    "class-name-number": Code(WARNING, "class names that are numbers", "give names: a label list is missing"),
    "class-empty": Code(WARNING, "classes without a box", "import drops them"),
    "class-rare": Code(WARNING, "classes with fewer than 10 boxes", "label more, or leave the class out"),
    "class-imbalance": Code(WARNING, "classes 100 times rarer than the commonest", "label more of the rare ones"),
    "class-not-in-train": Code(ERROR, "classes that train does not have", "divide anew with --split"),
    "class-not-measured": Code(WARNING, "classes that val or test does not have", "divide anew with --split"),
    "class-listed-twice": Code(ERROR, "class names listed twice", "give each class one id"),
    "class-count-differs": Code(ERROR, "class lists of another length than they say", "correct nc, or the names"),
    "label-map-zero": Code(ERROR, "label maps with id 0, which is the background", "count from 1; import does"),
    "label-map-gaps": Code(WARNING, "label maps with gaps in their ids", "count without gaps; import does"),
    "label-map-repeated": Code(ERROR, "label maps that give an id twice", "give each class an id of its own"),
    "label-map-unreadable": Code(ERROR, "label maps that cannot be read", "mend or remove them"),
    # splits
    "split-empty": Code(ERROR, "splits without a picture", "give pictures, or divide anew with --split"),
    "split-missing": Code(NOTE, "splits that the source does not have", "import divides; --split says how"),
    "split-small": Code(WARNING, "splits too small to measure on", "give at least 20 pictures"),
    "split-unlike": Code(WARNING, "classes spread unevenly over the splits", "divide anew with --split"),
    "mostly-negative": Code(WARNING, "most pictures have no box", "take those out that are not labelled yet"),
    "few-pictures": Code(NOTE, "fewer than 50 pictures", "label more, and start from pretrained weights"),
    # a dataset of the data volume
    "dataset-counts": Code(ERROR, "numbers in dataset.json that are not those found", "import again"),
    "dataset-changed": Code(ERROR, "content changed since dataset.json was written", "import again, or restore it"),
}


@dataclass
class Findings:
    """All findings of a check, and what was looked at, in words."""

    looked_at: str
    found: list[Finding]

    def counts(self) -> dict[str, int]:
        counts = Counter(item.severity for item in self.found)
        return {severity: counts[severity] for severity in SEVERITIES}

    def groups(self) -> dict[tuple[str, str], list[Finding]]:
        """By (severity, code): the worst first, then the most frequent."""
        groups = defaultdict(list)
        for item in self.found:
            groups[item.severity, item.code].append(item)
        order = sorted(groups, key=lambda key: (SEVERITIES.index(key[0]), -len(groups[key]), key[1]))
        return {key: groups[key] for key in order}

    def to_json(self) -> dict:
        return {
            "looked_at": self.looked_at,
            "counts": self.counts(),
            "findings": [
                {
                    "code": code,
                    "severity": severity,
                    "what": CODES[code].what,
                    "advice": CODES[code].advice,
                    "count": len(items),
                    "places": [item.to_json() for item in items],
                }
                for (severity, code), items in self.groups().items()
            ],
        }

    def text(self, width: int = 100) -> str:
        """At most a screenful: two lines a kind of finding where there is room, else one, else the rest is counted."""
        groups = list(self.groups().items())
        with_places = 2 * len(groups) <= MOST_LINES
        most = len(groups) if with_places or len(groups) <= MOST_LINES else MOST_LINES - 1
        lines = [f"looked at  {self.looked_at}"]
        for (severity, code), items in groups[:most]:
            lines.append(f"{severity:<8}{len(items):>7}  {CODES[code].what} ({code}): {CODES[code].advice}")
            if with_places and items[0].text:
                lines.append(f"{'':17}{_places(items, width - 17)}")
        if len(groups) > most:
            lines.append(f"{'':15}  and {len(groups) - most} more kinds of finding: --json FILE has them all")
        return "\n".join(_shortened(line, width) for line in lines)

    def verdict(self) -> str:
        counts = self.counts()
        if not self.found:
            return "nothing to mend"
        return ", ".join(f"{count} {severity if count == 1 else severity + 's'}" for severity, count in counts.items())


def _places(items: list[Finding], width: int) -> str:
    """The first places with what stands there, as many as fit, and how many more there are."""
    words = [item.text for item in items[:SHOWN]]
    while True:
        more = f" and {len(items) - len(words)} more" if len(items) > len(words) else ""
        text = "; ".join(words)
        if len(words) == 1 or len(text) + len(more) <= width:
            return _shortened(text, width - len(more)) + more
        words.pop()


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def described(values: Iterable[float]) -> str:
    """Numbers for a value: as few digits as tell them."""
    return ", ".join(f"{value:.6g}" for value in values)
