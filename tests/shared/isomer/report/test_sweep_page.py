"""The page of a sweep: all runs side by side, their curves, and what each flag does to the metric."""

from __future__ import annotations

import itertools

import pytest
from made_up import charts, text

from isomer import files
from isomer.errors import UserError
from isomer.report.sweep_page import read, render
from isomer.sweep import Planned, Sweep

RATES, SIZES, AUGMENTS = (0.0001, 0.001, 0.01), (160, 320), ("none", "ssd")


def quality(lr: float, size: int, augment: str) -> float:
    """The middle learning rate and the larger size are best."""
    return round(0.5 - (0.2 if lr != 0.001 else 0) + size / 3200 + (0.01 if augment == "ssd" else 0), 3)


@pytest.fixture
def swept(volume):
    """A sweep over three flags, all of whose runs are done."""
    planned = []
    for lr, size, augment in itertools.product(RATES, SIZES, AUGMENTS):
        name = f"toys-torch-lr{lr:g}-size{size}-augment-{augment}"
        planned.append(Planned(name, {"lr": lr, "size": size, "augment": augment}))
        last = quality(lr, size, augment)
        metrics = {"mAP": last, "AP50": last + 0.1}
        folder = volume.runs / name
        files.write_json(folder / "config.json", {"framework": "torch", "data": "toys"})
        files.write_json(folder / "run.json", {"state": "done", "steps": 40, "planned_steps": 40, "metrics": metrics})
        log = [{"step": step, "epoch": step / 10, "split": "train", "loss": 40 / step} for step in (10, 20, 30, 40)]
        log += [{"step": step, "epoch": 1, "split": "val", "mAP": last * step / 40, "seconds": 9} for step in (20, 40)]
        lines = (files.to_json(line).replace("\n", "") + "\n" for line in log)
        files.write_text(folder / "metrics.jsonl", "".join(lines))
    made = Sweep("toys-torch-lr-size-augment", "toys", "torch", "mAP", {"epochs": "4"}, tuple(planned))
    made.save(volume)
    return made


def test_the_best_run_is_named_with_its_export_and_all_are_listed(volume, swept):
    seen = text(render(read(volume, swept.name)))
    best = "toys-torch-lr0.001-size320-augment-ssd"
    assert seen.index("Best mAP 0.610") < seen.index(f"./inv export-torch --run {best}")
    assert all(f" {planned.run} " in seen for planned in swept.runs)
    assert "0.0001" in seen, "a learning rate has all its digits"
    assert "epochs" in seen[seen.index("The same in all runs") :]


def test_curves_have_every_run_by_step(volume, swept):
    drawn = charts(render(read(volume, swept.name)))
    for flag, values in (("lr", RATES), ("size", SIZES), ("augment", AUGMENTS)):
        curves = drawn[f"Validation mAP, by {flag}"]["series"]
        assert {one["label"] for one in curves} == {planned.run for planned in swept.runs}
        assert len({one["colour"] for one in curves}) == len(values)
        assert all(one["x"] == [20, 40] for one in curves)
        assert all(one["y"] == [4, 2, 40 / 30, 1] for one in drawn[f"Loss, by {flag}"]["series"])


def test_each_number_has_a_chart_of_the_metric_and_far_ones_a_logarithmic_axis(volume, swept):
    drawn = charts(render(read(volume, swept.name)))
    chart = drawn["mAP of the val split by lr"]
    assert chart["log"] and not drawn["mAP of the val split by size"]["log"]
    assert {one["label"] for one in chart["series"]} == {
        f"size {size}, augment {augment}" for size in SIZES for augment in AUGMENTS
    }
    for one in chart["series"]:
        size, augment = one["label"].removeprefix("size ").split(", augment ")
        assert one["x"] == list(RATES)
        assert one["y"] == [quality(lr, int(size), augment) for lr in RATES]
    assert "mAP of the val split by augment" not in drawn, "words are no axis"
    seen = text(render(read(volume, swept.name)))
    assert "ssd 6 0.452" in seen[seen.index("mAP against augment") :], "their mean is in the table"


def test_runs_that_wait_or_failed_have_a_place(volume, swept):
    for planned, state in zip(swept.runs, ("failed", "interrupted"), strict=False):
        folder = volume.runs / planned.run
        files.write_json(folder / "run.json", {"state": state, "problem": "the loss is <nan>", "planned_steps": 40})
        (folder / "metrics.jsonl").write_text("")
    (volume.runs / swept.runs[2].run / "config.json").unlink()
    seen = text(render(read(volume, swept.name)))
    assert "9 of 12 runs are done" in seen and "failed: the loss is &lt;nan&gt;" in seen and "waiting" in seen


def test_a_sweep_that_nobody_made(volume, swept):
    with pytest.raises(UserError, match="did you mean 'toys-torch-lr-size-augment'"):
        read(volume, "toys-torch-lr-size-augmnt")


def test_a_browser_draws_all_charts(volume, swept, tab):
    shown = tab(render(read(volume, swept.name)))
    shown.run("dispatchEvent(new Event('beforeprint'))")  # those far down, too
    shown.wait("document.querySelectorAll('.chart canvas').length === 8")
    assert shown.run("document.documentElement.scrollWidth <= innerWidth")
