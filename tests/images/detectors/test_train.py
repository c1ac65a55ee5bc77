"""Training: it learns, it goes on after a kill, it says what is wrong."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
from tiny import SETTINGS, STEPS

from isomer import session


def test_loss_falls_and_ap50_rises(trained):
    lines = trained.metrics()
    train = [line for line in lines if line["split"] == "train"]
    val = [line for line in lines if line["split"] == "val"]
    assert [line["step"] for line in train] == [10, 20, 30]
    assert train[-1]["loss"] < 0.7 * train[0]["loss"]
    assert [line["step"] for line in val] == [8, 15, 23, 30]
    assert val[-1]["AP50"] > val[0]["AP50"] + 0.05
    assert all(line["images_per_s"] > 0 and line["lr"] >= 0 for line in train)


def test_what_a_finished_run_says(trained):
    record = trained.record()
    assert record["state"] == "done"
    assert record["steps"] == STEPS
    assert (trained.path / record["weights"]).is_file()
    assert record["metrics"]["AP50"] is not None
    assert any(trained.tensorboard.rglob("events.out.tfevents*"))


def test_same_command_again_does_nothing(image, trained):
    before = trained.metrics_jsonl.read_bytes()
    assert "is done" in image.run("train", *SETTINGS)
    assert trained.metrics_jsonl.read_bytes() == before


def test_other_configuration_is_refused(image, trained):
    output = image.run("train", *SETTINGS, "--batch", "4", "--lr", "0.5", exit_code=2)
    assert "--batch is 16 there and 4 here" in output
    assert "--lr" in output
    assert trained.record()["state"] == "done"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_goes_on_after_a_signal(image, trained, number):
    name = f"stopped-{number.name.lower()}"
    run = image.folder(name)
    process = image.start("train", *SETTINGS, "--run", name)
    try:
        _wait(lambda: any(line["step"] >= 10 for line in run.metrics()) and any(run.checkpoints.glob("[!.]*")), process)
        if number == signal.SIGKILL:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        output, _ = process.communicate(timeout=120)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    expected = {signal.SIGKILL: -9, signal.SIGTERM: 0, signal.SIGINT: 130}
    assert process.returncode == expected[number], output
    assert "Traceback" not in output
    assert session.state(run) == "interrupted"
    first = run.metrics()[0]

    image.run("train", *SETTINGS, "--run", name)
    assert run.record()["steps"] == STEPS
    lines = run.metrics()
    assert lines[0] == first
    for split in ("train", "val"):
        steps = [line["step"] for line in lines if line["split"] == split]
        assert steps == [line["step"] for line in trained.metrics() if line["split"] == split]
    # as if nothing had happened: the same data, weights and optimizer
    assert lines[-2]["loss"] == pytest.approx(trained.metrics()[-2]["loss"], rel=1e-3)


def test_unreadable_picture_is_named(image):
    folder = image.volume.datasets / "spoilt"
    _copy(image.volume.datasets / "tiny", folder)
    (folder / "images" / "train-3.png").write_bytes(b"no picture")
    output = image.run("train", *SETTINGS, "--data", "spoilt", exit_code=2)
    assert "train-3.png" in output


def test_empty_val_split_is_refused(image):
    folder = image.volume.datasets / "unsplit"
    _copy(image.volume.datasets / "tiny", folder)
    coco = json.loads((folder / "val.json").read_text())
    (folder / "val.json").write_text(json.dumps(coco | {"images": [], "annotations": []}))
    assert "val split" in image.run("train", *SETTINGS, "--data", "unsplit", exit_code=2)
    assert not (image.volume.runs / f"unsplit-{image.framework}").exists()


def test_unknown_dataset_is_refused(image):
    output = image.run("train", "--data", "tyni", exit_code=2)
    assert "tiny" in output


def _copy(source, target) -> None:
    for path in source.rglob("*"):
        if path.is_file():
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())


def _wait(condition, process) -> None:
    end = time.monotonic() + 200
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, "nothing logged in 200 s"
        time.sleep(0.05)
