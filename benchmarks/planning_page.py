"""The page that planning.py prints: what was measured, what is assumed, and what follows for each model."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from planning import ASSUMED, DEFAULT_EPOCHS, EVALUATIONS, OWN_BATCH, Plan, plans, ring

GPUS = (1, 8, 64, 512)
HEAD = """\
# Past this machine

What training would exchange, read and write on 1, 8, 64 and 512 GPUs, and where it would break first. Nothing of this
was run on so many: the first tables are measured on one machine, the next is assumed of a cluster, the rest is
arithmetic on both. With your own figures: `python benchmarks/planning.py --help`. This page is what it prints without
flags, from `benchmarks/planning.json`, which `benchmarks/planning_measure.py` wrote.

- Exchange: each of n sends 2(n - 1)/n of all gradients ([ring][ring]), among the GPUs of a node and then among nodes;
  seconds are bytes by the links' speed, and a latency for each message.
- Reading: GPUs times pictures a second, times a file's bytes, and its metadata operations.
- Start: files that a process opens while it loads, of an environment on the shared file system, for all processes.
- Evaluation: pictures shared out, at three times the speed of training; then the measuring, which is every process's.
- Broken is: more than the file system gives; more than 10 % of the time for what is not training; a start of a minute.
"""
TAIL = """\
## What is not in it

Gradients are exchanged while others are still computed, so the exchange costs less than is said here; a tree needs
fewer messages than a ring. Links are taken at their full speed and for this job alone. Pictures that fit into memory
are read once by each process, then no more: of a small dataset only the start reads.
"""
SOURCES = """\
[ring]: https://github.com/NVIDIA/nccl-tests/blob/master/doc/PERFORMANCE.md
[ssd]: https://github.com/NVIDIA/DeepLearningExamples/blob/master/PyTorch/Detection/SSD/README.md
[zoo]: https://github.com/facebookresearch/detectron2/blob/main/MODEL_ZOO.md
[fsx]: https://docs.aws.amazon.com/fsx/latest/APIReference/API_FileSystemLustreMetadataConfiguration.html
[goyal]: https://arxiv.org/abs/1706.02677"""


def page(measured: dict[str, Any], assumed: dict[str, float]) -> str:
    made = plans(measured, assumed)
    rows = [(f"`--{one.name}`", _number(assumed[one.name], one.unit), one.words, one.source) for one in ASSUMED]
    lines = [
        HEAD,
        *_measured(measured),
        "## Assumed",
        "",
        *table(("flag", "value", "what", "from"), rows),
        "",
        *_broken(made),
        *(line for plan in made for line in _planned(plan)),
        TAIL,
        SOURCES,
        "",
    ]
    return "\n".join(lines)


def _measured(measured: dict[str, Any]) -> list[str]:
    rows = []
    for framework in measured.values():
        for about in framework["models"]:
            rows.append(
                (
                    f"{framework['framework']} {about['name']}",
                    f"{about['parameters']:,}",
                    _megabytes(about["gradient_bytes"]),
                    _megabytes(about["checkpoint_bytes"]),
                    _seconds(about["checkpoint_s"]),
                    f"{about['pictures_per_s']:.1f}",
                )
            )
    head = ("model", "trained parameters", "gradients", "checkpoint", "written in", "pictures a second")
    lines = ["## Measured", "", *table(head, rows), ""]
    rows = [
        (
            framework["framework"],
            f"{framework['reading']['pictures_per_s']:.0f}",
            f"{framework['loading']['files']:,}, {framework['loading']['bytes'] / 1e9:.1f} GB",
            _seconds(framework["evaluating_s"]),
            f"{framework['opens_per_s']:,}",
        )
        for framework in measured.values()
    ]
    head = (
        "",
        "pictures read, a core and second",
        "files of a start",
        "measuring a picture",
        "small files opened, a second",
    )
    lines += [*table(head, rows), ""]
    first_one = next(iter(measured.values()))
    machine, size = first_one["machine"], first_one["models"][0]["size"]
    read = first_one["reading"]
    loads = ", ".join(f"{one['machine']['load']:g} ({name})" for name, one in measured.items())
    lines += _paragraph(
        f"On {machine['cores']} cores ({machine['processor']}), which {loads} processes wanted: rates are a busy "
        f"machine's. Trainings of {size}×{size} pixels on the CPU; a checkpoint is written when the disk has it. Files "
        "are opened by one process, on the machine's own disk. Of the environment those files count that are opened, "
        f"not those that are looked for. Pictures that are read: JPEG files of {read['width']}×{read['height']} "
        f"pixels, {read['picture_bytes'] / 1000:.0f} kB, with a camera's noise; those that are measured: of 80 "
        "classes, with 7 boxes and 100 finds each."
    )
    found = next((one["exchanging"] for one in measured.values() if "exchanging" in one), None)
    if found:
        where = "nodes of a test cluster" if found["nodes"] else "processes of this machine"
        exchanges = [
            f"{_megabytes(int(size))} in {_seconds(value)} ({ring(2) * int(size) / value / 1e9:.2f} GB/s)"
            for size, value in found["exchange_s"].items()
        ]
        meetings = ", ".join(f"{count} in {_seconds(value)}" for count, value in found["meeting_s"].items())
        lines += _paragraph(
            f"Two {where} sum up gradients by gloo: {'; '.join(exchanges)}. Processes meet, more than two of them on "
            f"one machine: {meetings}."
        )
    return lines


def _broken(made: Sequence[Plan]) -> list[str]:
    share = f"{made[0].assumed['batch-per-gpu']:.0f} pictures on each GPU"
    rows = []
    for plan in made:
        breaks = plan.breaks()
        own = next(one for one in breaks if one.what.startswith(OWN_BATCH))
        other = next(one for one in breaks if one is not own)
        rows.append((plan.name, *(f"**{one.gpus}** GPUs: {one.what}" for one in (own, other)), other.cure))
    head = ("model", f"with {OWN_BATCH}", f"with {share}", "what to do then")
    return ["## Where it breaks first", "", *table(head, rows), ""]


def _planned(plan: Plan) -> Iterable[str]:
    """A model's table, and all that breaks, in turn."""
    assumed = plan.assumed
    rows = [
        ("bytes that a GPU sends, a step", [_megabytes(plan.exchanged(gpus)) for gpus in GPUS]),
        ("the exchange", [_seconds(plan.exchange_seconds(gpus)) for gpus in GPUS]),
        (f"a step ({assumed['batch-per-gpu']:.0f} pictures a GPU)", [_seconds(plan.step_seconds)] * len(GPUS)),
        ("efficiency, nothing overlapped", [f"{plan.efficiency(gpus):.1%}" for gpus in GPUS]),
        ("pictures in a step", [f"{assumed['batch-per-gpu'] * gpus:,.0f}" for gpus in GPUS]),
        ("read, a second", [f"{plan.read_bytes(gpus) / 1e9:.2f} GB" for gpus in GPUS]),
        ("metadata operations, a second", [f"{plan.operations(gpus):,.0f}" for gpus in GPUS]),
        ("cores that read, a GPU", [f"{plan.reading_cores:.1f}"] * len(GPUS)),
        ("checkpoint", [_megabytes(plan.about["checkpoint_bytes"])] * len(GPUS)),
        (
            "written in, measured here; share",
            [f"{_seconds(plan.about['checkpoint_s'])}; {plan.checkpoint_share:.1%}"] * 4,
        ),
        ("opening the environment", [_seconds(plan.start_seconds(gpus)) for gpus in GPUS]),
        (f"{DEFAULT_EPOCHS} epochs", [_duration(plan.training_seconds(gpus)) for gpus in GPUS]),
        ("one evaluation", [_seconds(plan.evaluation_seconds(gpus)) for gpus in GPUS]),
        (f"{EVALUATIONS} evaluations, share", [f"{plan.evaluation_share(gpus):.1%}" for gpus in GPUS]),
    ]
    yield f"## {plan.name}"
    yield ""
    yield from table(("GPUs", *map(str, GPUS)), [(words, *cells) for words, cells in rows])
    yield ""
    for one in plan.breaks():
        yield f"- from **{one.gpus}** GPUs on: {one.what}; {one.cure}."
    yield ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows)]


def _paragraph(text: str) -> list[str]:
    return [*textwrap.wrap(text, 120, break_on_hyphens=False), ""]


def _number(value: float, unit: str) -> str:
    return f"{value:,g} {unit}".strip() if value < 1e6 else f"{value:,.0f} {unit}"


def _megabytes(count: float) -> str:
    return f"{count / 1e6:,.1f} MB"


def _seconds(value: float) -> str:
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if value * factor >= 1 or unit == "µs":
            break
    return f"{value * factor:.3g} {unit}" if value * factor < 1000 else f"{value:,.0f} s"


def _duration(value: float) -> str:
    return f"{value / 3600:.1f} h" if value >= 3600 else f"{value / 60:.1f} min" if value >= 60 else f"{value:.0f} s"
