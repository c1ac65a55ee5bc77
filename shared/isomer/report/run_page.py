"""The page of one run: how its training went, what it is worth, what it found, and what was published from it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from isomer import session
from isomer.dataset import canonical
from isomer.dataset.canonical import Dataset, Split
from isomer.errors import UserError
from isomer.report import evidence, words
from isomer.report.blocks import BAD, GOOD, PLAIN, Cell, Chart, Charts, Columns, Note, Section, Series, Table, Verdict
from isomer.report.document import page
from isomer.report.gallery import Detector, detections
from isomer.run import RunFolder
from isomer.training import RESTART
from isomer.volume import Volume

MEASURED = {"mAP": "mAP", "AP50": "AP50", "AP75": "AP75"}


@dataclass(frozen=True)
class Ran:
    """A run as its folder and the data volume have it.

    dataset: None where it is not there any more; is_same: it is as it was when the run was trained. found: the COCO
    results of the native predictions, and the split they are of, where the run was exported and nothing changed since.
    gates: gate.json of every model made from it, by the model's name.
    """

    name: str
    config: dict[str, Any]
    record: dict[str, Any]
    log: list[dict[str, Any]]
    state: str
    dataset: Dataset | None
    is_same: bool
    found: tuple[Split, list[dict]] | None
    gates: dict[str, dict[str, Any]]

    @property
    def framework(self) -> str:
        return self.config.get("framework") or self.name


def read(volume: Volume, name: str) -> Ran:
    """Read a run; one that is not finished, or whose dataset is gone, is no error.

    Raises:
        UserError: there is no such run, or its files are damaged.
    """
    run = RunFolder(volume.run(name))
    try:
        return _read(volume, run)
    except ValueError as error:
        raise UserError(
            f"run {name!r}: a file in {run.path} is damaged ({error}); train it again with --fresh"
        ) from None


def _read(volume: Volume, run: RunFolder) -> Ran:
    config = run.config()
    try:
        dataset = canonical.load(volume.dataset(config["data"])) if config.get("data") else None
    except UserError:
        dataset = None
    is_same = dataset is not None and dataset.sha256 == config.get("dataset_sha256")
    gates = {}
    for path in sorted(run.path.glob("gate*.json")):
        value = json.loads(path.read_text())
        if "checks" in value:
            gates[value["model"]] = value
    return Ran(
        name=run.name,
        config=config,
        record=run.record(),
        log=run.metrics(),
        state=session.state(run),
        dataset=dataset,
        is_same=is_same,
        found=_found(run, dataset) if is_same else None,
        gates=gates,
    )


def _found(run: RunFolder, dataset: Dataset) -> tuple[Split, list[dict]] | None:
    """The native predictions, if they are of the weights that the run has now."""
    about = run.native / "native.json"
    if not about.is_file():
        return None
    native = json.loads(about.read_text())
    if native["weights_sha256"] != run.record().get("weights_sha256"):
        return None
    return dataset.split(native["split"]), json.loads((run.native / "detections.json").read_text())


def render(ran: Ran) -> str:
    """The page as one self-contained HTML document."""
    sections = [_verdict(ran), *(Note(text, warning=True) for text in _warnings(ran)), *_training(ran)]
    metrics = ran.record.get("metrics")
    if metrics:
        sections.append(_evaluation(ran, metrics))
    if ran.found:
        split, results = ran.found
        note = f"What {ran.framework} itself finds on the {split.name} split with the weights that were kept."
        sections += detections(split, [Detector(ran.framework, results)], note=note)
    sections += [*_published(ran), _provenance(ran)]
    about = [ran.config.get(key) for key in ("framework", "model", "data")]
    size = ran.config.get("size")
    lede = " · ".join([*(str(part) for part in about if part), *([f"{size} px"] if size else [])])
    return page(ran.name, sections, lede=lede, kind="run")


def _verdict(ran: Ran) -> Verdict:
    steps = max([line["step"] for line in ran.log] + [ran.record.get("steps", 0)])
    planned = ran.record.get("planned_steps", ran.record.get("steps"))
    measured = [line for line in ran.log if line["split"] == "val" and line.get("mAP") is not None]
    lines = [f"{words.whole(steps)} of {words.whole(planned)} steps." if planned else f"{words.whole(steps)} steps."]
    if measured:
        best = max(measured, key=lambda line: line["mAP"])
        lines.append(
            f"Best on the val split: mAP {best['mAP']:.3f}, AP50 {words.digits(best.get('AP50'))} at step "
            f"{words.whole(best['step'])}."
        )
    if ran.state == session.CONVERTED:
        return Verdict(PLAIN, "Converted, not trained here", [])
    if ran.state == session.FAILED:
        return Verdict(BAD, "Failed", [ran.record.get("problem") or "", *lines])
    if ran.state != session.DONE:
        headline = "In training" if ran.state == session.RUNNING else "Interrupted"
        return Verdict(PLAIN, headline, [*lines, "The command that started it goes on with it."])
    kept = ran.record.get("metrics", {}).get("mAP")
    return Verdict(GOOD, "Trained" if kept is None else f"Trained: mAP {kept:.3f}", lines)


def _warnings(ran: Ran) -> Iterator[str]:
    if ran.dataset is None and ran.config.get("data"):
        yield f"The dataset {ran.config.get('data')} is not in the data volume any more."
    elif ran.dataset and not ran.is_same and ran.state != session.CONVERTED:
        yield f"The dataset {ran.dataset.name} has changed since the run was trained on it."


def _training(ran: Ran) -> Iterator[Section]:
    names, logs = [(ran.framework, 0)], [ran.log]
    restarts = [line for line in ran.log if line["split"] == RESTART]
    marks = [line["epoch"] for line in restarts]
    charts = [Chart("Training loss", evidence.logged(names, logs, "train", {"loss": False}), "epoch", marks=marks)]
    quality = [
        Series(label, series.x, series.y, place)
        for place, (key, label) in enumerate(MEASURED.items())
        for series in evidence.logged(names, logs, "val", {key: False})
    ]
    charts += [
        Chart("Validation", quality, "epoch", fraction=True, points=True, legend=True, marks=marks),
        Chart("Learning rate", evidence.logged(names, logs, "train", {"lr": False}), "epoch"),
        Chart("Pictures a second", evidence.logged(names, logs, "train", {"images_per_s": False}), "epoch"),
    ]
    drawn = [chart for chart in charts if chart.series]
    if drawn:
        said = "; ".join(f"step {words.whole(line['step'])} ({line['reason'] or 'restarted'})" for line in restarts)
        note = f"Dashed: where a cluster started the job again, and why: {said}." if said else ""
        yield Section("Training", [Charts(drawn, wide=True)], note=note)


def _evaluation(ran: Ran, metrics: dict[str, Any]) -> Section:
    subject = [(ran.framework, 0)]
    classes = ran.dataset.classes if ran.dataset else tuple(metrics["per_class"])
    boxes = Counter({name: value["boxes"] for name, value in metrics["per_class"].items()})
    row = [Cell(ran.framework, mark=0), *evidence.quality(metrics, 0), metrics["images"], metrics["boxes"]]
    blocks = [
        Table(["Weights kept", *evidence.QUALITY, "Pictures", "Boxes"], [row], cards=True),
        Columns(
            [
                evidence.by_class("AP50 by class", subject, [metrics], classes, boxes),
                Columns([evidence.by_size(subject, [metrics]), evidence.confusions(subject, [metrics])]),
            ]
        ),
    ]
    note = (
        "On the val split, in the framework itself. mAP is COCO's, over IoU 0.50–0.95; precision, recall and F1 are of "
        f"what scores above {metrics['score_threshold']:g}."
    )
    return Section("Evaluation", blocks, note=note)


def _published(ran: Ran) -> Iterator[Section]:
    if not ran.gates:
        return
    rows = [
        [
            name,
            Cell(words.megabytes(gate["bytes"]), gate["bytes"]) if "bytes" in gate else "–",
            *(_quality(gate, side) for side in ("native", "onnx")),
            evidence.passed(gate["passed"]),
        ]
        for name, gate in ran.gates.items()
    ]
    table = Table(["Model", "Size", "mAP in the framework", "mAP as ONNX", "Gate"], rows)
    note = "What was exported from this run, and what the gate said of it. A page about one: report --model NAME."
    yield Section("Models", [table], note=note)


def _quality(gate: dict[str, Any], side: str) -> float | None:
    """The mAP that the gate measured, `native` or `onnx`; None where it got no further."""
    return gate.get("metrics", {}).get(side, {}).get("mAP")


def _provenance(ran: Ran) -> Section:
    table = evidence.provenance([(ran.name, None)], [evidence.facts(ran.config, ran.record)])
    return Section("Provenance", [table])
