"""The sections about a split's pictures: precision and recall, kinds of mistakes, and the pictures with their boxes.

All of them follow one score threshold that the reader moves; gallery.js draws them from the data made here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from isomer import mistakes
from isomer.contract import Thresholds
from isomer.dataset.canonical import Picture, Split
from isomer.drawing import class_colour
from isomer.evaluation import AtThreshold
from isomer.report import thresholds, thumbnails, words
from isomer.report.blocks import Cell, Chart, Charts, Legend, Section, Series, Table
from isomer.report.thresholds import ByPicture, Graded

MOST_PICTURES = 1000
MOST_BOXES = 80_000  # detections on the page; a higher lowest threshold leaves out the others
MOST_CURVES = 12  # classes with a chart of their own; a dataset may have hundreds
LOWEST = 0.05  # threshold that the reader can choose
PER_GROUP = 4
GROUPS = ("best", "typical", "worst")
REACHING = (mistakes.RIGHT, *mistakes.HINTS)  # kinds that leave no box missed


@dataclass(frozen=True)
class Detector:
    """What was found on a split. results: COCO results, low scores too; colour: its place in the page's palette."""

    label: str
    results: list[dict]
    colour: int = 0


@dataclass(frozen=True)
class Threshold:
    kind: ClassVar[str] = "threshold"
    value: float


@dataclass(frozen=True)
class Gallery:
    """The pictures, with filters above them."""

    kind: ClassVar[str] = "gallery"
    data: dict[str, Any]
    id: str = "gallery-data"

    @property
    def json(self) -> str:
        return words.json_text(self.data)


@dataclass(frozen=True)
class Order:
    """The split's pictures from best to worst, and the few that tell most: some of each of GROUPS."""

    pictures: list[Picture]
    telling: dict[str, list[Picture]]


def detections(
    split: Split, detectors: Sequence[Detector], threshold: float = Thresholds.score, note: str = ""
) -> list[Section]:
    """The sections about what detectors found on a split. A reader sees the mistakes above `threshold` first.

    Raises:
        ValueError: a result names a picture that is not in the split, or its score is NaN.
    """
    judged = [mistakes.judge(split, detector.results) for detector in detectors]
    return judged_sections(split, detectors, judged, threshold, note)


def judged_sections(
    split: Split, detectors: Sequence[Detector], judged: Sequence[ByPicture], threshold: float, note: str = ""
) -> list[Section]:
    """`detections` where every detector's results are judged already."""
    charted = _charted(split)
    graded = [thresholds.grade(split, by) for by in judged]
    return [
        _curves(split.classes, detectors, graded, charted, threshold),
        _mistakes(split, detectors, judged, threshold),
        Section(
            "Pictures", [_gallery(split, detectors, graded, charted, threshold)], f"{note} {_left_out(split)}".strip()
        ),
    ]


def truth(splits: Sequence[Split], chosen: dict[str, list[Picture]], budget: int = thumbnails.BUDGET) -> Gallery:
    """The pictures of a dataset with the boxes that its labels say."""
    pictures = []
    total = sum(map(len, chosen.values()))
    for split in splits:
        some = chosen.get(split.name, [])
        data = thumbnails.embed(split, some, int(budget * len(some) / max(total, 1)))
        pictures += [
            _picture(picture, image) | {"split": split.name} for picture, image in zip(some, data, strict=True)
        ]
    return Gallery(_data(splits[0].classes, pictures, [], Thresholds.score, LOWEST))


def labels(split: Split) -> Gallery:
    """The pictures of a split with their labels alone."""
    return _gallery(split, [], [], [], Thresholds.score)


def _gallery(
    split: Split, detectors: Sequence[Detector], graded: Sequence[Graded], charted: Sequence[int], threshold: float
) -> Gallery:
    """The pictures of a split with what was found in them."""
    judged = [one.judged for one in graded]
    ordered = order(split, judged, threshold)
    shown = _worth_showing(ordered.pictures)
    telling = {picture.id: group for group, some in ordered.telling.items() for picture in some}
    places = {picture_id: place for place, picture_id in enumerate(telling)}
    ranks = {picture.id: place for place, picture in enumerate(ordered.pictures)}
    kept = {picture.id for picture in shown}
    lowest = _lowest([one.result["score"] for found in judged for key in kept for one in found[key]])
    pictures = []
    for picture, data in zip(shown, thumbnails.embed(split, shown), strict=True):
        found = [[_found(picture, one) for one in by[picture.id] if one.result["score"] > lowest] for by in judged]
        rank = ranks[picture.id]
        # after those that tell most the others follow, worst first
        place = places.get(picture.id, len(places) + len(ranks) - rank)
        group = telling.get(picture.id, "")
        pictures.append(_picture(picture, data) | {"found": found, "rank": rank, "telling": place, "group": group})
    about = [
        {
            "label": detector.label,
            "colour": detector.colour,
            "kinds": thresholds.kinds(one),
            "classes": thresholds.by_class(one, (0, *charted)),
        }
        for detector, one in zip(detectors, graded, strict=True)
    ]
    return Gallery(_data(split.classes, pictures, about, max(threshold, lowest), lowest))


def order(split: Split, judged: Sequence[ByPicture], threshold: float) -> Order:
    """The pictures by how well they went, all detectors together; without detectors as they stand in the split."""
    if not judged:
        return Order(list(split.pictures), {})
    merits = {picture.id: _merit(picture, judged, threshold) for picture in split.pictures}
    ordered = sorted(split.pictures, key=lambda picture: merits[picture.id], reverse=True)
    count = min(PER_GROUP, -(-len(ordered) // len(GROUPS)))
    best, worst = ordered[:count], ordered[count:][-count:]
    rest = ordered[len(best) : len(ordered) - len(worst)]
    start = max(0, (len(rest) - count) // 2)
    groups = dict(zip(GROUPS, (best, rest[start : start + count], worst[::-1]), strict=True))
    return Order(ordered, {group: pictures for group, pictures in groups.items() if pictures})


def css_colour(category: int) -> str:
    """A class's colour, the same as in drawn predictions."""
    return "#{:02x}{:02x}{:02x}".format(*class_colour(category))


def _merit(picture: Picture, judged: Sequence[ByPicture], threshold: float) -> tuple:
    """Mean F1 of the detectors; among equals pictures with more to find, then surer detections, stand first."""
    boxes = sum(not box.crowd for box in picture.boxes)
    measures, sure = [], []
    for by in judged:
        shown = [one for one in by[picture.id] if one.result["score"] > threshold]
        right = [one.result["score"] for one in shown if one.kind == mistakes.RIGHT]
        measure = AtThreshold.of(len(right), len(shown), boxes).F1
        measures.append(1.0 if measure is None else measure)
        sure += right
    mean = sum(measures) / len(measures)
    return round(mean, 6), min(boxes, 4), sum(sure) / len(sure) if sure else 0.0, -picture.id


def _worth_showing(ordered: list[Picture]) -> list[Picture]:
    """The pictures that are embedded, by name: all, or the worst half of what fits and some of all the others."""
    if len(ordered) > MOST_PICTURES:
        half = MOST_PICTURES // 2
        rest, worst = ordered[:-half], ordered[-half:]
        ordered = [rest[index * len(rest) // half] for index in range(half)] + worst
    return sorted(ordered, key=lambda picture: picture.file_name)


def _left_out(split: Split) -> str:
    """What the reader must know where not all pictures are on the page."""
    if len(split.pictures) <= MOST_PICTURES:
        return ""
    return (
        f"{words.whole(MOST_PICTURES)} of {words.whole(len(split.pictures))} are on this page: those that went worst, "
        "and of the others one in so many. The figures above are of all."
    )


def _lowest(scores: list[float]) -> float:
    """The lowest threshold above which there are no more than MOST_BOXES detections, in hundredths."""
    if len(scores) <= MOST_BOXES:
        return LOWEST
    border = sorted(scores, reverse=True)[MOST_BOXES]
    return min(max(LOWEST, math.ceil(border * 100) / 100), 0.99)


def _data(
    classes: tuple[str, ...], pictures: list[dict], detectors: list[dict], threshold: float, lowest: float
) -> dict[str, Any]:
    """What gallery.js reads. Classes count from 1, so the first name and colour stand for nothing."""
    return {
        "classes": ["", *classes],
        "colours": ["", *(css_colour(number) for number in range(1, len(classes) + 1))],
        "kinds": list(mistakes.KINDS),
        "reaching": [mistakes.KINDS.index(kind) for kind in REACHING],
        "threshold": round(threshold, 2),
        "floor": lowest,
        "detectors": detectors,
        "pictures": pictures,
    }


def _picture(picture: Picture, data: str) -> dict[str, Any]:
    return {
        "name": picture.file_name,
        "data": data,
        "width": picture.width,
        "height": picture.height,
        "split": "",
        "group": "",
        "truth": [
            [*_rounded(picture, (box.x, box.y, box.width, box.height)), box.category, int(box.crowd)]
            for box in picture.boxes
        ],
        "found": [],
    }


def _found(picture: Picture, one: mistakes.Judged) -> list[float]:
    """x, y, width, height, class, score in thousandths rounded up, kind, box that it is about or -1."""
    result = one.result
    score = math.ceil(round(result["score"] * 1000, 6))
    place = -1 if one.box is None else one.box
    kind = mistakes.KINDS.index(one.kind)
    return [*_rounded(picture, result["bbox"]), result["category_id"], score, kind, place]


def _rounded(picture: Picture, edges: Sequence[float]) -> list[float]:
    """To a thousandth of the picture at most: nobody sees more."""
    places = max(0, math.ceil(3 - math.log10(max(picture.width, picture.height, 1))))
    return [round(value, places) if places else round(value) for value in edges]


def _charted(split: Split) -> list[int]:
    """The classes with most boxes, in their order."""
    counts = Counter(box.category for picture in split.pictures for box in picture.boxes if not box.crowd)
    return sorted(category for category, _ in counts.most_common(MOST_CURVES))


def _curves(
    classes: Sequence[str],
    detectors: Sequence[Detector],
    graded: Sequence[Graded],
    charted: list[int],
    threshold: float,
) -> Section:
    charts = []
    # with one class alone all together are the same
    for category in charted if len(charted) == 1 else (0, *charted):
        curves = [thresholds.precision_recall(one, category) for one in graded]
        series = [
            Series(detector.label, *curve, detector.colour)
            for detector, curve in zip(detectors, curves, strict=True)
            if curve[0]
        ]
        if series:
            title = classes[category - 1] if category else "all classes together"
            charts.append(Chart(title, series, "recall", "precision", fraction=True, square=True, link=category))
    note = (
        "At IoU 0.5. The point on a curve is where the score threshold is: move it, and the points, the mistakes below "
        "and the boxes on the pictures follow."
    )
    marks = [Legend([(detector.colour, detector.label) for detector in detectors])] if len(detectors) > 1 else []
    return Section("Precision and recall", [Threshold(threshold), *marks, Charts(charts)], note=note)


def _mistakes(split: Split, detectors: Sequence[Detector], judged: Sequence[ByPicture], threshold: float) -> Section:
    head = ["Detector", "Right", "Missed", "Wrong class", "Poorly placed", "Both at once", "Duplicate", "Background"]
    columns = (mistakes.RIGHT, mistakes.MISSED, *mistakes.KINDS[1:])
    rows = []
    for index, (detector, by) in enumerate(zip(detectors, judged, strict=True)):
        counts = mistakes.count(split, by, threshold)
        boxes = sum(not box.crowd for picture in split.pictures for box in picture.boxes)
        quality = AtThreshold.of(counts[mistakes.RIGHT], sum(counts[kind] for kind in mistakes.KINDS), boxes)
        row = [Cell(detector.label, mark=detector.colour)]
        row += [Cell(words.whole(counts[kind]), counts[kind], name=f"{index}:{kind}") for kind in columns]
        for name in ("precision", "recall", "F1"):
            value = getattr(quality, name)
            row.append(Cell(words.digits(value), value, name=f"{index}:{name}"))
        rows.append(row)
    table = Table([*head, "Precision", "Recall", "F1"], rows, cards=True)
    note = (
        "What is wrong above the threshold, by TIDE's definitions: wrong class, IoU 0.5 and more with a box of another "
        "class; poorly placed, IoU 0.1 to 0.5 with a box of its class; both at once; duplicate, of a box that a better "
        "detection found; background, nothing there. Missed are boxes that nothing above hints at."
    )
    return Section("Mistakes", [table], note=note)
