"""The page of a run: its log's curves, its figures, what it found; a run in any state has one."""

from __future__ import annotations

import json
import shutil

import pytest
from made_up import add_run, charts, gallery, text

from isomer import files
from isomer.errors import UserError
from isomer.report.run_page import read, render


@pytest.fixture
def run(volume):
    add_run(volume, "torch", noise=2)
    return volume.runs / "toys-torch"


def test_a_finished_run(volume, run):
    html = render(read(volume, "toys-torch"))
    log = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    drawn = charts(html)
    for title, split, key in (
        ("Training loss", "train", "loss"),
        ("Learning rate", "train", "lr"),
        ("Pictures a second", "train", "images_per_s"),
        ("Validation", "val", "mAP"),
    ):
        assert drawn[title]["series"][0]["y"] == [line[key] for line in log if line["split"] == split]
    seen, record = text(html), json.loads((run / "run.json").read_text())
    for key in ("mAP", "AP50", "precision", "recall"):
        assert f"{record['metrics'][key]:.3f}" in seen
    assert "Trained" in seen
    assert "ababababab" in seen, "where it comes from"
    assert len(gallery(html)["detectors"]) == 1
    assert "toys-torch" in seen[seen.index("What was exported") :]


def test_restarts_are_marked_and_said(volume, run):
    lines = (run / "metrics.jsonl").read_text().splitlines()
    about = {"split": "restart", "step": 4, "epoch": 1.5, "seconds": 3.0, "job": "12", "restart": 1}
    lines.insert(1, json.dumps(about | {"reason": "time limit"}))
    (run / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    html = render(read(volume, "toys-torch"))
    drawn = charts(html)
    assert drawn["Training loss"]["marks"] == drawn["Validation"]["marks"] == [1.5]
    assert drawn["Learning rate"]["marks"] == []
    assert "started the job again, and why: step 4 (time limit)." in text(html)


def test_of_a_long_training_not_every_step_is_drawn(volume, run):
    lines = [{"step": step, "epoch": step / 100, "split": "train", "loss": 1 / step} for step in range(1, 30_001)]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (series,) = charts(render(read(volume, "toys-torch")))["Training loss"]["series"]
    assert 1000 < len(series["x"]) <= 2001
    assert (series["x"][0], series["x"][-1]) == (0.01, 300)


@pytest.mark.parametrize(
    ("record", "headline"),
    [
        ({}, "Interrupted"),
        ({"state": "running", "planned_steps": 1000}, "Interrupted"),
        ({"state": "failed", "problem": "the loss was <b>no</b> number"}, "the loss was &lt;b&gt;no&lt;/b&gt; number"),
        ({"state": "converted"}, "Converted, not trained here"),
    ],
)
def test_a_run_that_did_not_end_well(volume, run, record, headline):
    shutil.rmtree(run / "native")
    (run / "gate.json").unlink()
    files.write_json(run / "run.json", record)
    html = render(read(volume, "toys-torch"))
    assert headline in html
    assert "gallery-data" not in html


def test_a_run_that_has_just_begun(volume, run):
    (run / "metrics.jsonl").unlink()
    shutil.rmtree(run / "native")
    files.write_json(run / "run.json", {"state": "started"})
    assert "0 steps" in text(render(read(volume, "toys-torch")))


def test_a_dataset_that_has_changed_or_gone_is_said(volume, run):
    path = volume.datasets / "toys" / "dataset.json"
    files.write_json(path, json.loads(path.read_text()) | {"sha256": "0" * 64})
    html = render(read(volume, "toys-torch"))
    assert "has changed since the run was trained on it" in text(html)
    assert "gallery-data" not in html, "the pictures are not those that were measured"
    shutil.rmtree(path.parent)
    assert "is not in the data volume any more" in text(render(read(volume, "toys-torch")))


def test_predictions_of_other_weights_are_not_shown(volume, run):
    record = json.loads((run / "run.json").read_text())
    files.write_json(run / "run.json", record | {"weights_sha256": "12" * 32})
    assert "gallery-data" not in render(read(volume, "toys-torch"))


def test_damaged_files_are_a_sentence(volume, run):
    (run / "run.json").write_text('{"state": ')
    with pytest.raises(UserError, match=r"toys-torch.* is damaged"):
        read(volume, "toys-torch")


def test_a_converted_model(volume, run):
    config = json.loads((run / "config.json").read_text())
    del config["framework"]
    files.write_json(run / "config.json", config | {"converted": True})
    (run / "metrics.jsonl").unlink()
    record = {"state": "converted", "weights_sha256": "ef" * 32}
    files.write_json(run / "run.json", record)
    seen = text(render(read(volume, "toys-torch")))
    assert "Converted, not trained here" in seen
    assert "Mistakes" in seen, "the original's own predictions"
    files.write_json(run / "config.json", {"converted": True, "framework": "onnx", "model": "a.onnx", "data": None})
    assert "is not in the data volume" not in text(render(read(volume, "toys-torch")))


def test_unknown_run(volume, run):
    with pytest.raises(UserError, match="did you mean 'toys-torch'"):
        read(volume, "toys-torhc")
