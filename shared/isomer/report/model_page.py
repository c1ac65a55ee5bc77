"""The page of one published model: its contract, the gate's verdict, its size and speed, and where it comes from."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from isomer import files, parity
from isomer.benchmarks import BENCHMARK_JSON
from isomer.graph import check
from isomer.report import evidence, words
from isomer.report.blocks import BAD, GOOD, PLAIN, Cell, Columns, Note, Section, Share, Shares, Table, Verdict
from isomer.report.document import page
from isomer.volume import Volume

LEVELS = {
    1: "the contract",
    2: "raw outputs against the framework's",
    3: "detections against the framework's",
    4: "quality on the test split",
    5: "the oldest ONNX Runtime",
}
SHOWN_ELSEWHERE = {"contract", "model", "classes", "size", "channels", "score_threshold", "iou_threshold"}
MOST_OPERATORS = 12


@dataclass(frozen=True)
class Model:
    """A published model and what the data volume knows of it.

    about: its metadata. gate, seconds: gate.json and what its levels took, where they are of this very file.
    relatives: the other models of its run. latencies: (where measured, what was measured, rows of figures).
    """

    path: Path
    sha256: str
    bytes: int
    graph: onnx.ModelProto
    about: dict[str, str]
    gate: dict[str, Any] | None
    seconds: dict[str, float]
    relatives: list[Path]
    latencies: list[dict[str, Any]]

    @property
    def name(self) -> str:
        return self.path.stem


def read(volume: Volume, name: str) -> Model:
    """Read a published model.

    Raises:
        UserError: there is none of that name, or the file is not ONNX.
    """
    path = volume.model(name)
    graph, sha256 = check.load(path), files.sha256_of_file(path)
    about = check.metadata(graph)
    gate = _gate(path)
    if gate and gate.get("sha256") != sha256:
        gate = None
    run = about.get("run", "")
    seconds = volume.runs / run / f"gate-seconds{name.removeprefix(run)}.json"
    is_known = bool(gate and run and name.startswith(run) and seconds.is_file())
    relatives = [other for other in sorted(volume.models.glob(f"{run}*.onnx")) if run and other != path]
    return Model(
        path=path,
        sha256=sha256,
        bytes=path.stat().st_size,
        graph=graph,
        about=about,
        gate=gate,
        seconds=json.loads(seconds.read_text()) if is_known else {},
        relatives=[other for other in relatives if check.metadata(check.load(other)).get("run") == run],
        latencies=list(_measured(volume, sha256)),
    )


def _gate(path: Path) -> dict[str, Any] | None:
    beside = path.with_suffix(".gate.json")
    return json.loads(beside.read_text()) if beside.is_file() else None


def _measured(volume: Volume, sha256: str) -> Iterator[dict[str, Any]]:
    """What `benchmark` and `parity` measured of a file."""
    for name, read_one in ((BENCHMARK_JSON, _benchmarked), (parity.PARITY_JSON, _compared)):
        for path in sorted(volume.reports.glob(f"*/{name}")):
            # a damaged file, or one of another version, says nothing here
            with contextlib.suppress(ValueError, KeyError, TypeError):
                yield from list(read_one(path, json.loads(path.read_text()), sha256))


def _benchmarked(path: Path, report: dict[str, Any], sha256: str) -> Iterator[dict[str, Any]]:
    names = [model["name"] for model in report["models"] if model["sha256"] == sha256]
    frame = "×".join(map(str, report["frame"]))
    for cell in report["cells"]:
        for name in names:
            if name in cell["models"]:
                where = f"{cell['provider']}, {words.plural(cell['threads'], 'thread')}, {frame}"
                yield {"by": f"benchmark ({path.parent.name})", "where": where} | cell | cell["models"][name]


def _compared(path: Path, report: dict[str, Any], sha256: str) -> Iterator[dict[str, Any]]:
    for model in report["models"]:
        if model["sha256"] == sha256:
            latency = {f"{key}_ms": value for key, value in model["latency_ms"].items()}
            where = f"CPU, 1 thread, {report['split']} pictures of {report['data']}"
            yield {"by": f"parity ({path.parent.name})", "where": where, "batch": 1} | latency


def render(model: Model) -> str:
    """The page as one self-contained HTML document."""
    findings = check.check(model.graph)
    sections = [
        _verdict(model, findings),
        _contract(model, findings),
        *_gated(model),
        *_quality(model),
        _size(model),
        *_latency(model),
        _provenance(model),
    ]
    about = [model.about.get(key, "") for key in ("framework", "architecture", "precision")]
    size = model.about.get("size")
    lede = " · ".join([*filter(None, about), *([f"{size} px"] if size else []), words.megabytes(model.bytes)])
    return page(model.name, sections, lede=lede, kind="model")


def _verdict(model: Model, findings: list[check.Finding]) -> Verdict:
    if findings:
        return Verdict(BAD, "The file breaks the contract", [str(finding) for finding in findings])
    if model.gate is None:
        line = "No verdict of the gate on this very file is here: it was published by other means, or changed since."
        return Verdict(PLAIN, "The file meets the contract", [line])
    if not model.gate["passed"]:
        failed = [check["name"] for check in model.gate["checks"] if not check["passed"]]
        return Verdict(BAD, "The gate did not let it pass", [f"Failed: {', '.join(failed)}."])
    line = f"{len(model.gate['checks'])} checks passed, each within its limit."
    return Verdict(GOOD, "Meets the contract and passed the gate", [line])


def _contract(model: Model, findings: list[check.Finding]) -> Section:
    graph = model.graph.graph
    ports = [["input", *_port(one)] for one in graph.input] + [["output", *_port(one)] for one in graph.output]
    names = check.classes(model.graph) or ()
    about = model.about
    facts = [
        ("Classes", ", ".join(f"{number} {name}" for number, name in enumerate(names, start=1)) or "not said"),
        ("Channels", about.get("channels", "not said").upper()),
        ("Its own size", f"{about.get('size', 'not said')} pixels; pictures of any size go in"),
        ("Score threshold", about.get("score_threshold", "not said")),
        ("IoU threshold", about.get("iou_threshold", "not said")),
        ("Opset, IR version", f"{_opset(model.graph)}, {model.graph.ir_version}"),
    ]
    batch = check.fixed_batch(model.graph)
    if batch:
        facts.append(("Batch", f"fixed to {batch}"))
    blocks: list[Any] = [Note(str(finding), warning=True) for finding in findings]
    blocks.append(
        Table(["", "Name", "Type", "Shape"], [_in_order(row) for row in ports], text=(1, 2, 3), plain=True, cards=True)
    )
    blocks.append(Table(["", "What the metadata says"], facts, text=(1,), plain=True))
    return Section("Contract", blocks, note="What goes in and comes out, whatever framework made the model.")


def _in_order(row: list[str]) -> list[Cell]:
    return [Cell(row[0]), *(Cell(text, code=True) for text in row[1:])]


def _port(item: onnx.ValueInfoProto) -> list[str]:
    """Name, element type and shape of an input or output."""
    kind, dims = check.port_type(item)
    return [item.name, kind, check.shape_words(dims)]


def _opset(model: onnx.ModelProto) -> str:
    return ", ".join(f"{one.version}" + (f" of {one.domain}" if one.domain else "") for one in model.opset_import)


def _gated(model: Model) -> Iterator[Section]:
    if model.gate is None:
        return
    checks = model.gate["checks"]
    tables = []
    for level in sorted({one["level"] for one in checks}):
        own = [one for one in checks if one["level"] == level]
        tables.append(evidence.gate_table(f"{level}. {LEVELS.get(level, 'more')}", None, {"checks": own}))
    blocks: list[Any] = [Columns(tables)]
    if model.seconds:
        total = sum(model.seconds.values())
        parts = [
            Share(f"{place}. {name}", value, place - 1, f"{value:.1f} s")
            for place, (name, value) in enumerate(model.seconds.items(), start=1)
        ]
        blocks.append(Shares(f"The gate took {total:.0f} s", parts))
    note = "What it had to prove before it was published: that the ONNX file says what its framework says."
    yield Section("Gate", blocks, note=note)


def _quality(model: Model) -> Iterator[Section]:
    found = model.gate.get("metrics", {}) if model.gate else {}
    titles = {"native": model.about.get("framework", "native"), "onnx": "ONNX"}
    sides = [(title, found[key]) for key, title in titles.items() if key in found]
    if not sides:
        return
    subjects = [(title, place) for place, (title, _) in enumerate(sides)]
    metrics = [one for _, one in sides]
    rows = [[Cell(title, mark=place), *evidence.quality(one, place)] for place, (title, one) in enumerate(sides)]
    boxes = Counter({name: value["boxes"] for name, value in metrics[0]["per_class"].items()})
    classes = tuple(metrics[0]["per_class"])
    by_class = evidence.by_class("AP50 by class", subjects, metrics, classes, boxes)
    blocks = [
        Table(["In", *evidence.QUALITY], rows, cards=True),
        Columns([by_class, evidence.by_size(subjects, metrics)]),
    ]
    note = f"On {words.plural(metrics[0]['images'], 'test picture')}, in the framework and as ONNX."
    yield Section("Quality", blocks, note=note)


def _size(model: Model) -> Section:
    rows = [_related(path, path == model.path) for path in sorted([model.path, *model.relatives])]
    counts = Counter(node.op_type for node in model.graph.graph.node)
    numbers = sum(_length(tensor) for tensor in model.graph.graph.initializer)
    operators = [[kind, count] for kind, count in counts.most_common(MOST_OPERATORS)]
    rest = sum(counts.values()) - sum(count for _, count in operators)
    more = f"and {words.whole(rest)} others" if rest else ""
    sizes = Table(["Models of this run", "Precision", "Size", "mAP as ONNX", "Gate"], rows, text=(1,), cards=True)
    note = f"{words.whole(sum(counts.values()))} operators, {words.whole(numbers)} numbers in constants."
    return Section("Size", [sizes, Columns([Table(["Operator", "How many"], operators, note=more)])], note=note)


def _length(tensor: onnx.TensorProto) -> int:
    length = 1
    for side in tensor.dims:
        length *= side
    return length


def _related(path: Path, is_this: bool) -> list[Cell | float | None]:
    about = check.metadata(check.load(path))
    gate = _gate(path) or {}
    quality = gate.get("metrics", {}).get("onnx", {}).get("mAP")
    size = path.stat().st_size
    return [
        Cell(path.stem, small="this one" if is_this else ""),
        about.get("precision", "–"),
        Cell(words.megabytes(size), size),
        quality,
        evidence.passed(gate.get("passed")),
    ]


def _latency(model: Model) -> Iterator[Section]:
    if not model.latencies:
        note = f"Not measured yet: benchmark --model {model.name} does."
        yield Section("Latency", [Note(note)])
        return
    rows = [
        [
            one["where"],
            one["batch"],
            *(Cell(words.milliseconds(one[key]), one[key]) if key in one else "–" for key in ("p50_ms", "p95_ms")),
            Cell(f"{one['images_per_s']:.1f}", one["images_per_s"]) if "images_per_s" in one else "–",
            one["by"],
        ]
        for one in model.latencies
    ]
    table = Table(["Where", "Batch", "p50", "p95", "Images/s", "Measured by"], rows, text=(5,), cards=True)
    yield Section("Latency", [table], note="From pixels to boxes, ONNX Runtime.")


def _provenance(model: Model) -> Section:
    facts = {key: value for key, value in model.about.items() if key not in SHOWN_ELSEWHERE}
    table = evidence.provenance([(model.name, None)], [{"sha256": model.sha256} | facts])
    return Section("Provenance", [table])
