"""The page that compares a dataset's models: verdict, results, training, mistakes, pictures, gates, provenance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from isomer.report import evidence, words
from isomer.report.blocks import (
    BAD,
    GOOD,
    PLAIN,
    Cell,
    Charts,
    Columns,
    Legend,
    Note,
    Section,
    Share,
    Shares,
    Table,
    Verdict,
)
from isomer.report.collect import Collected, Subject
from isomer.report.document import page
from isomer.report.gallery import judged_sections, labels
from isomer.report.thresholds import ByPicture


def render(collected: Collected, judged: Sequence[ByPicture]) -> str:
    """The page as one self-contained HTML document.

    Args:
        judged: what `collected.detectors` found, by mistakes.judge.
    """
    dataset = collected.dataset
    sections = [_verdict(collected), *(Note(text, warning=True) for text in collected.warnings)]
    models = [(index, subject) for index, subject in enumerate(collected.subjects) if subject.model]
    if models:
        sections.append(_results(collected, models))
    sections.append(_training(collected.subjects))
    if models:
        sections += judged_sections(collected.split, collected.detectors, judged, collected.score_threshold)
    else:
        sections.append(Section("Pictures", [labels(collected.split)]))
    sections += [*_gates(collected.subjects), _provenance(collected, models)]
    return page(dataset.name, sections, lede=words.about(dataset))


def _verdict(collected: Collected) -> Verdict:
    compared = collected.parity
    if compared is None:
        how = f"export a trained run, then compare with parity --data {collected.dataset.name}"
        return Verdict(PLAIN, "Nothing is compared yet", [f"The figures come with the first published model: {how}."])
    verdict, alone = compared["verdict"], len(compared["models"]) < 2
    if not verdict["passed"]:
        state, headline = BAD, "The models do not agree"
    elif alone:
        state, headline = PLAIN, "One model so far"
    elif verdict["max_gap"] is None:
        state, headline = PLAIN, "The models side by side, no limit asked for"
    else:
        state, headline = GOOD, "The models agree"
    limit = "" if verdict["max_gap"] is None else f" (limit {verdict['max_gap']})"
    measured = "Measured" if verdict["gap"] is None else f"AP50 differs by {verdict['gap']:.3f}{limit}"
    line = f"{measured} on {compared['images']} {compared['split']} pictures that no model saw in training."
    if len(compared["agreement"]) == 1 and (every := _all_of(compared["agreement"][0])):
        both = compared["agreement"][0]["both"]
        line += f" Of {every} detections, {both} ({100 * both / every:.0f} %) were made by both."
    return Verdict(state, headline, [line, *verdict["reasons"], *verdict["notes"]])


def _all_of(pair: dict[str, Any]) -> int:
    return pair["both"] + pair["only_first"] + pair["only_second"]


def _results(collected: Collected, models: list[tuple[int, Subject]]) -> Section:
    compared = collected.parity
    names = [(subject.label, index) for index, subject in models]
    metrics = [subject.model["metrics"] for _, subject in models]
    boxes = Counter(
        collected.dataset.classes[box.category - 1]
        for picture in collected.split.pictures
        for box in picture.boxes
        if not box.crowd
    )
    note = (
        f"On the {compared['split']} split. mAP is COCO's, over IoU 0.50–0.95; precision, recall and F1 as published, "
        f"with scores above {collected.score_threshold:g}. Latency: one picture, one thread, ONNX Runtime on a CPU, "
        "models in turn."
    )
    by_class = evidence.by_class("AP50 by class", names, metrics, collected.dataset.classes, boxes)
    head = ["Model", *evidence.QUALITY, "Latency p50", "p95", "Size", "Gate"]
    blocks = [
        Table(head, [_row(index, subject) for index, subject in models], cards=True),
        *_agreement(compared, models),
        Columns([by_class, Columns([evidence.by_size(names, metrics), evidence.confusions(names, metrics)])]),
    ]
    return Section("Results", blocks, note=note)


def _row(index: int, subject: Subject) -> list[Cell]:
    model = subject.model
    size = f" · {model['input_size']} px" if model["input_size"] else ""
    latency = [model["latency_ms"][key] for key in ("p50", "p95")]
    return [
        Cell(subject.label, mark=index, small=f"{model['architecture']}{size}"),
        *evidence.quality(model["metrics"], index),
        *(Cell(words.milliseconds(value), value) for value in latency),
        Cell(words.megabytes(model["bytes"]), model["bytes"]),
        evidence.passed(subject.gate["passed"] if subject.gate else None),
    ]


def _agreement(compared: dict[str, Any], models: list[tuple[int, Subject]]) -> Iterator[Shares]:
    known = {subject.name: (index, subject.label) for index, subject in models}
    for pair in compared["agreement"]:
        if not _all_of(pair) or not all(name in known for name in pair["models"]):
            continue
        (first, one), (second, other) = (known[name] for name in pair["models"])
        parts = [
            Share(f"only {one}", pair["only_first"], first),
            Share("both", pair["both"], "var(--both)"),
            Share(f"only {other}", pair["only_second"], second),
        ]
        yield Shares("Found by both, by one only", parts)


def _training(subjects: list[Subject]) -> Section:
    if not subjects:
        return Section("Training", [Note("No run of this dataset yet.")])
    names = [(subject.label, index) for index, subject in enumerate(subjects)]
    charts = evidence.log_charts(names, [subject.log for subject in subjects])
    note = "Losses of two frameworks are of different kinds: compare their fall, not their height."
    marks = [(index, f"{subject.label}{_steps(subject)}") for index, subject in enumerate(subjects)]
    blocks = [Legend(marks, ("mAP", "AP50")), Charts(charts, wide=True)]
    return Section("Training", [*blocks, Note(note)] if len(subjects) > 1 else blocks)


def _steps(subject: Subject) -> str:
    if subject.record.get("state") == "done":
        return f", {subject.record.get('steps', '?')} steps"
    return ", not finished" if subject.record else ""


def _gates(subjects: list[Subject]) -> Iterator[Section]:
    judged = [(index, subject) for index, subject in enumerate(subjects) if subject.gate]
    if judged:
        tables = [
            evidence.gate_table(
                f"{subject.label} {'passed' if subject.gate['passed'] else 'failed'}", index, subject.gate
            )
            for index, subject in judged
        ]
        note = "What a model has to prove before it is published: that its ONNX file says what its framework says."
        yield Section("Gate", [Columns(tables)], note=note)


def _provenance(collected: Collected, models: list[tuple[int, Subject]]) -> Section:
    subjects = collected.subjects
    names = [(subject.label, index) for index, subject in enumerate(subjects)]
    table = evidence.provenance(names, [evidence.facts(subject.config, subject.record) for subject in subjects])
    hashes = [f"Dataset sha256 {collected.dataset.sha256}"]
    hashes += [f"{subject.name}.onnx sha256 {subject.model['sha256']}" for _, subject in models]
    return Section("Provenance", [table, *map(Note, hashes)])
