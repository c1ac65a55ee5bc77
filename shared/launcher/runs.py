"""`./inv runs`: every run with what became of it, or one with everything; read from its files, without an engine."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from isomer import answers, flags, session
from isomer.errors import UserError, known
from isomer.run import RunFolder
from isomer.volume import Volume, check_name
from launcher import project, tables
from launcher.state import read
from launcher.verbs import Parsed

CURVE = 12  # lines of training that are shown of one run
FLAGS = tuple(item.name for item in flags.fields(flags.Train))
FIGURES = ("mAP", "AP50", "AP75", "precision", "recall", "F1")


@dataclass(frozen=True)
class Summary:
    """One line of the list.

    Attributes:
        state: running, interrupted, failed, done, converted; unreadable where its files are damaged.
        steps, planned_steps: done, and in all.
        mAP, AP50, best_step: of the best evaluation of the val split.
        seconds: of training and evaluating, without the time in which it was interrupted.
        published: the gate passed the model that models/RUN.onnx is.
    """

    run: str
    state: str
    framework: str | None = None
    model: str | None = None
    dataset: str | None = None
    steps: int = 0
    planned_steps: int | None = None
    mAP: float | None = None  # noqa: N815 (the field's own name)
    AP50: float | None = None
    best_step: int | None = None
    seconds: float | None = None
    started: str | None = None
    problem: str | None = None
    published: bool = False


def run(given: Parsed) -> None:
    volume = project.volume()
    if given.flags.run:
        about = one(volume, given.flags.run)
        if given.flags.json:
            answers.give(given.flags.json, about)
        else:
            _show(about)
        return
    found = [summary(volume, folder) for folder in folders(volume)]
    if given.flags.json:
        answers.give(given.flags.json, [asdict(item) for item in found])
    elif not found:
        print(f"no runs in {volume.runs} yet; train one, see ./inv --list")
    else:
        _list(found)


def folders(volume: Volume) -> list[RunFolder]:
    """All runs, by name."""
    return [RunFolder(path.parent) for path in sorted(volume.runs.glob("[!.]*/config.json"))]


def summary(volume: Volume, run: RunFolder) -> Summary:
    """What became of a run."""
    try:
        config, record, lines = run.config(), run.record(), run.metrics()
        state = session.state(run)
    except (OSError, ValueError) as error:
        return Summary(run.name, "unreadable", problem=str(error))
    measured = [line for line in lines if line["split"] == "val"]
    best = max(measured, key=lambda line: line["mAP"] or 0, default={})
    gate = read(run.gate_json)
    return Summary(
        run=run.name,
        state=state,
        framework=config.get("framework"),
        model=config.get("model"),
        dataset=config.get("data"),
        steps=max([line["step"] for line in lines] + [record.get("steps", 0)]),
        planned_steps=record.get("planned_steps", record.get("steps")),
        mAP=best.get("mAP"),
        AP50=best.get("AP50"),
        best_step=best.get("step"),
        seconds=lines[-1].get("seconds") if lines else None,
        started=record.get("started"),
        problem=record.get("problem"),
        published=bool(gate.get("passed")) and (volume.models / f"{run.name}.onnx").is_file(),
    )


def one(volume: Volume, name: str) -> dict[str, Any]:
    """Everything about one run.

    Raises:
        UserError: there is no such run, or its files are damaged.
    """
    run = RunFolder(volume.runs / check_name("run", name))
    if not (run.path / "config.json").is_file():
        raise known("--run", name, (folder.name for folder in folders(volume)))
    about = summary(volume, run)
    if about.state == "unreadable":
        raise UserError(f"--run {name}: its files in {run.path} are damaged: {about.problem}")
    lines = run.metrics()
    files = sorted(path for path in run.checkpoints.rglob("*") if path.is_file() and not path.name.startswith("."))
    gate = read(run.gate_json)
    return {
        **asdict(about),
        "config": run.config(),
        "record": run.record(),
        "training": [line for line in lines if line["split"] == "train"],
        "evaluations": [line for line in lines if line["split"] == "val"],
        "checkpoints": {str(path.relative_to(run.path)): path.stat().st_size for path in files},
        "exported": run.core_onnx.is_file() or run.whole_onnx.is_file(),
        "gate": gate.get("passed"),
        "folder": str(run.path),
    }


def _list(found: list[Summary]) -> None:
    headings = ("run", "state", "dataset", "framework", "model", "steps", "best mAP", "AP50", "time", "published")
    rows = [
        (
            item.run,
            item.state,
            item.dataset or "",
            item.framework or "",
            item.model or "",
            "" if item.state == session.CONVERTED else f"{item.steps}/{item.planned_steps or '?'}",
            tables.figure(item.mAP),
            tables.figure(item.AP50),
            clock(item.seconds),
            "yes" if item.published else "",
        )
        for item in found
    ]
    tables.show(headings, rows, right=("steps", "best mAP", "AP50", "time"), optional=("framework", "AP50"))
    for item in found:
        if item.problem:
            print(f"{item.run} {item.state}: {item.problem}")
    print("./inv runs --run RUN shows one; what is interrupted goes on with the command that started it.")


def _show(about: dict[str, Any]) -> None:
    record, config = about["record"], about["config"]
    reason = f": {about['problem']}" if about["problem"] else ""
    print(f"{about['run']}: {about['state']}{reason}, {about['steps']} of {about['planned_steps'] or '?'} steps")
    print(f"  started {about['started']}, trained for {clock(about['seconds'])} in {about['folder']}")
    _pairs("flags", {flags.option(key): config[key] for key in FLAGS if config.get(key) not in (None, False)})
    _pairs("recipe", config.get("recipe", {}))
    _pairs("provenance", record.get("provenance", {}))
    curve = about["training"]
    shown = sorted({round(place * (len(curve) - 1) / (CURVE - 1)) for place in range(CURVE)}) if curve else []
    rows = [
        (
            str(line["step"]),
            str(line["epoch"]),
            f"{line['loss']:.4f}",
            f"{line['lr']:.2g}",
            f"{line['images_per_s']:.1f}",
        )
        for line in (curve[place] for place in shown)
    ]
    heading = f"training, {len(shown)} of {len(curve)} lines"
    tables.show(("step", "epoch", "loss", "lr", "images/s"), rows, ("step", "epoch", "loss", "lr", "images/s"), heading)
    rows = [
        (str(line["step"]), str(line["epoch"]), *(tables.figure(line.get(key)) for key in FIGURES))
        for line in about["evaluations"]
    ]
    tables.show(("step", "epoch", *FIGURES), rows, ("step", "epoch", *FIGURES), "evaluations of the val split")
    for name, size in about["checkpoints"].items():
        print(f"  {name}  {size / 1e6:.1f} MB")
    gate = {True: "passed", False: "FAILED"}.get(about["gate"], "not asked yet")
    published = f"models/{about['run']}.onnx" if about["published"] else "no"
    print(f"exported: {'yes' if about['exported'] else 'no'}, gate: {gate}, published: {published}")
    print(f"curves: {about['folder']}/metrics.jsonl, ./inv tensorboard")


def _pairs(heading: str, values: dict[str, Any]) -> None:
    """A heading and a line for each value."""
    print(f"{heading}:")
    for key, value in values.items():
        text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
        print(f"  {key}  {text}")


def clock(seconds: float | None) -> str:
    """`1:02:03`, or a dash."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
