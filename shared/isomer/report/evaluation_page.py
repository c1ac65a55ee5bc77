"""The page of an evaluation: results, how class names were matched, what mistakes cost, confusions, the pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from isomer.class_names import GIVEN, WAYS, Names
from isomer.dataset.canonical import Dataset, Split
from isomer.evaluations import Evaluated
from isomer.mistakes import MISTAKES
from isomer.report import evidence, words
from isomer.report.blocks import PLAIN, Cell, Columns, Note, Section, Table, Verdict
from isomer.report.document import page
from isomer.report.gallery import Detector, judged_sections

MOST_MATRIX = 20  # classes of a confusion matrix; of more the table of confusions says the most frequent
MOST_PAIRS = 100  # rows of matched names
BY = {GIVEN: "--map"}


def render(dataset: Dataset, split: Split, evaluated: Sequence[Evaluated], left_out: Sequence[str] = ()) -> str:
    """The page as one self-contained HTML document; `left_out` says which pictures could not be read."""
    detectors = [Detector(one.name, one.results, place) for place, one in enumerate(evaluated)]
    threshold = max(one.metrics.score_threshold for one in evaluated)
    sections = [
        _verdict(split, evaluated, left_out),
        _results(split, evaluated),
        Section("Class names", list(_names(evaluated))),
        _costs(evaluated),
        *judged_sections(split, detectors, [one.judged for one in evaluated], threshold),
    ]
    return page(dataset.name, sections, lede=words.about(dataset), kind="evaluation")


def _verdict(split: Split, evaluated: Sequence[Evaluated], left_out: Sequence[str]) -> Verdict:
    ordered = sorted(evaluated, key=lambda one: one.metrics.mAP or 0, reverse=True)
    lines = [
        f"On {words.plural(len(split.pictures), f'{split.name} picture')}.",
        *(f"Left out: {problem}." for problem in left_out),
    ]
    for one in ordered:
        if one.best is not None:
            lines.append(
                f"{one.name}: F1 is highest, {one.best['F1']:.3f}, with scores above {one.best['score']:.2f}; "
                f"{words.digits(one.metrics.F1)} above {one.metrics.score_threshold:g}."
            )
    return Verdict(PLAIN, "; ".join(f"{one.name}: mAP {words.digits(one.metrics.mAP)}" for one in ordered), lines)


def _results(split: Split, evaluated: Sequence[Evaluated]) -> Section:
    subjects = [(one.name, place) for place, one in enumerate(evaluated)]
    metrics = [one.metrics.to_json() for one in evaluated]
    boxes = Counter(
        split.classes[box.category - 1] for picture in split.pictures for box in picture.boxes if not box.crowd
    )
    unknown = any(one.names.only_data for one in evaluated)
    rows = [
        [
            Cell(one.name, mark=place, small=f"{one.about['architecture']} · {one.about['input_size']} px"),
            *evidence.quality(figures, place),
            *([Cell(words.digits(one.known["mAP"]), one.known["mAP"])] if unknown else []),
            Cell(f"{one.metrics.score_threshold:g}", one.metrics.score_threshold),
        ]
        for place, (one, figures) in enumerate(zip(evaluated, metrics, strict=True))
    ]
    note = (
        "mAP is COCO's, over IoU 0.50–0.95 and all classes of the dataset: one that a model does not know counts as "
        "nothing found. Precision, recall and F1 are of what scores above the threshold, at IoU 0.5."
    )
    head = ["Model", *evidence.QUALITY, *(["mAP of known classes"] if unknown else []), "Score above"]
    by_class = evidence.by_class("AP50 by class", subjects, metrics, split.classes, boxes)
    blocks = [
        Table(head, rows, cards=True),
        Columns([by_class, Columns([evidence.by_size(subjects, metrics), evidence.confusions(subjects, metrics)])]),
    ]
    if len(split.classes) <= MOST_MATRIX:
        blocks += [
            _matrix(one.name, place, split.classes, figures)
            for place, (one, figures) in enumerate(zip(evaluated, metrics, strict=True))
        ]
    return Section("Results", blocks, note=note)


def _matrix(name: str, colour: int, classes: Sequence[str], metrics: dict[str, Any]) -> Table:
    counts = {(truth, found): count for truth, found, count in metrics["confusion"]}
    rows = [
        [
            "no box left" if truth is None else truth,
            *(_count(counts.get((truth, found), 0), truth, found) for found in (*classes, None)),
        ]
        for truth in (*classes, None)
    ]
    heads = [Cell(name, mark=colour), *classes, "missed"]
    # TIDE calls most of these a wrong class: they lie on a box that something else had found
    note = f"{name}: boxes of a row's class, and what they were found as. The last row: finds beyond one for each box."
    return Table(heads, rows, note=note, plain=True)


def _count(count: int, truth: str | None, found: str | None) -> Cell:
    if truth is None and found is None:
        return Cell("")
    return Cell(words.whole(count), count, state="" if not count else "good" if truth == found else "bad")


def _names(evaluated: Sequence[Evaluated]) -> Iterator[Table | Note]:
    """A table for all models of the same classes."""
    alike: dict[Names, list[tuple[str, int]]] = {}
    for place, one in enumerate(evaluated):
        alike.setdefault(one.names, []).append((one.name, place))
    for names, models in alike.items():
        called = ", ".join(name for name, _ in models)
        order = sorted(names.pairs, key=lambda pair: WAYS.index(pair[2]))
        rows = [[theirs, ours, BY.get(way, way)] for theirs, ours, way in order]
        more = f"{len(rows) - MOST_PAIRS} more are in evaluation.json." if len(rows) > MOST_PAIRS else ""
        head = [Cell(called, mark=models[0][1]), "Dataset", "Matched by"]
        yield Table(head, rows[:MOST_PAIRS], note=more, text=(1, 2))
        if names.only_data:
            yield Note(f"Not known to {called}, so never found: {', '.join(names.only_data)}.", warning=True)
        for name, fitting in names.ambiguous:
            yield Note(f"{name} of {called} is left out, it fits several: {', '.join(fitting)}.", warning=True)
        if names.only_model:
            yield Note(f"Not in the dataset, so left out: {', '.join(names.only_model)}.")


def _costs(evaluated: Sequence[Evaluated]) -> Section:
    rows = [
        [Cell(one.name, mark=place), *(Cell(words.signed(one.gains[kind]), one.gains[kind]) for kind in MISTAKES)]
        for place, one in enumerate(evaluated)
    ]
    note = (
        "What AP50 would gain if one kind of mistake were mended, whatever its score, each for itself (TIDE's ΔAP). "
        "By its rules a class of which nothing at all is found has nothing to gain."
    )
    heads = ["both at once" if "," in kind else kind for kind in MISTAKES]
    return Section("What mistakes cost", [Table(["Model", *map(str.capitalize, heads)], rows, cards=True)], note=note)
