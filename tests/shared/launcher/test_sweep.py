"""Sweeps: what a grid says, which runs it makes, what is left to do, and what is said at the end."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from invoke import Exit, MockContext

import tasks
from isomer import sweep
from isomer.errors import UserError
from isomer.flags import FREE, Train
from isomer.volume import NAME, Volume
from launcher import grid, process

GRID = "lr=1e-3,3e-3 size=128,256"
RUNS = [f"shapes-torch-lr{lr}-size{size}" for lr in ("0.001", "0.003") for size in (128, 256)]


def write(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


@pytest.fixture
def shapes(data):
    """A volume with a dataset."""
    write(data / "datasets" / "shapes" / "dataset.json", {"sha256": "d0"})
    return data


def finish(data: Path, run: str, mAP: float, **flags) -> None:  # noqa: N803
    """Leave a run as training does."""
    config = {key: value for key, value in asdict(Train(**flags)).items() if key not in FREE}
    write(data / "runs" / run / "config.json", {**config, "framework": "torch", "dataset_sha256": "d0"})
    metrics = {"mAP": mAP, "AP50": 1 - mAP}
    write(data / "runs" / run / "run.json", {"state": "done", "steps": 4, "planned_steps": 4, "metrics": metrics})
    lines = [{"step": 4, "epoch": 1.0, "split": "val", "seconds": 7.0, **metrics}]
    (data / "runs" / run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def trained(monkeypatch, shapes):
    """The trainings that were run; each is done by it, with a mAP that is its learning rate."""
    ran = []

    def run(command, **_):
        words = list(command.argv)
        ran.append(words)
        if words[1].endswith("train.py"):
            name, lr, size = (words[words.index(flag) + 1] for flag in ("--run", "--lr", "--size"))
            finish(shapes, name, float(lr), lr=float(lr), size=int(size))
        return 0

    monkeypatch.setattr(process, "run", run)
    return ran


def run(**flags) -> None:
    tasks.namespace["sweep"](MockContext(), **{"framework": "torch", "grid": GRID, "engine": "venv", **flags})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "--grid is empty"),
        ("lr", "'lr' is no flag with values"),
        ("lr=1e-3, 3e-3", "'3e-3' is no flag with values"),
        ("learning=1", "unknown flag 'learning'"),
        ("sise=192", "did you mean 'size'?"),
        ("lr=fast", "--lr: 'fast' is not a number, at least 0"),
        ("size=8", "--size: 8 is not a whole number, at least 96 and at most 2048"),
        ("augment=mild", "--augment: 'mild' is not one of none, light, ssd"),
        ("lr=1,,2", "lr has an empty value"),
        ("lr=0.001,1e-3", "lr has 0.001 twice"),
        ("lr=1 lr=2", "lr stands there twice"),
        ("amp=perhaps", "amp is a switch: 'perhaps' must be true or false"),
        ("data=a,b", "data cannot be swept: a sweep is of one dataset"),
        ("run=a,b", "run cannot be swept: each run is named by what differs"),
        ("workers=1,2", "workers cannot be swept: it does not change what is learned"),
        ("engine=venv,docker", "unknown flag 'engine'"),
        ("batch=8,16", "--batch is typed and in --grid"),
        ("steps=10,20", "--steps and --epochs cannot both be given"),
    ],
)
def test_a_wrong_grid_is_a_sentence(text, says):
    with pytest.raises(UserError) as error:
        grid.parse(text, {"batch": "4", "epochs": "2"})
    assert says in str(error.value)


def test_every_combination_is_a_run_with_a_name_of_its_own():
    values = grid.parse("--lr=1e-3,3e-3 weight-decay=0,1e-05 amp=on,off augment=light,ssd", {})
    planned = grid.plan(values, "mine-tf")
    names = [one.run for one in planned]
    assert len(names) == len(set(names)) == 16
    assert names[0] == "mine-tf-lr0.001-weight-decay0-amp-on-augment-light"
    assert names[-1] == "mine-tf-lr0.003-weight-decay1e-05-amp-off-augment-ssd"
    assert planned[-1].settings == {"lr": 0.003, "weight_decay": 1e-05, "amp": False, "augment": "ssd"}


def test_names_are_safe_and_unique_whatever_the_values(tmp_path):
    files = [tmp_path / folder / "my weights.pth" for folder in ("one", "two")]
    for path in files:
        path.parent.mkdir()
        path.write_text("")
    values = {"weights": [str(path) for path in files], "lr": [0.12345678, 0.12345679]}
    names = [one.run for one in grid.plan(values, "x" * 100)]
    assert len(set(names)) == 4 and all(NAME.fullmatch(name) and len(name) <= 120 for name in names)


def test_a_zero_and_a_switch_that_is_off_reach_the_training():
    (one, other) = grid.plan(grid.parse("ema=0 amp=on,off", {}), "a")
    assert grid.parsed({"epochs": "3"}, one).argv[-5:] == ["--run", "a-ema0-amp-on", "--ema", "0.0", "--amp"]
    assert "--amp" not in grid.parsed({"epochs": "3"}, other).argv


def test_a_switch_is_said_to_be_on_or_off():
    assert sweep.sentence({"lr": 0.001, "amp": False, "balance": True}) == "--lr 0.001, --amp off, --balance on"


def test_all_runs_are_trained_one_after_the_other_and_the_best_is_named(shapes, venv_engine, trained, capsys):
    run(epochs="2")
    done = [words for words in trained if words[1].endswith("train.py")]
    assert [words[words.index("--run") + 1] for words in done] == RUNS
    assert all("--epochs 2" in " ".join(words) for words in done)
    said = capsys.readouterr().out
    assert f"best by mAP: {RUNS[2]}, 0.003 (--lr 0.003, --size 128)" in said
    assert f"./inv export-torch --data shapes --run {RUNS[2]}" in said
    assert trained[-1][1:] == ["images/onnx/report.py", "--sweep", "shapes-torch-lr-size"]
    assert [one.run for one in sweep.load(Volume(shapes), "shapes-torch-lr-size").runs] == RUNS


def test_the_same_command_goes_on_with_what_is_missing(shapes, venv_engine, trained, capsys):
    finish(shapes, RUNS[0], 0.001, lr=0.001, size=128)
    finish(shapes, RUNS[3], 0.003, lr=0.003, size=256)
    run()
    assert "4 runs, 2 done already" in capsys.readouterr().out
    assert [words[words.index("--run") + 1] for words in trained if "--run" in words] == [RUNS[1], RUNS[2]]
    trained.clear()
    run()
    assert "4 runs, all done already" in capsys.readouterr().out
    assert len(trained) == 1, "the page alone"


def test_json_has_the_runs_the_best_first(shapes, venv_engine, trained, capsys):
    run(json="-", metric="AP50")
    found = json.loads(capsys.readouterr().out)
    assert (found["best"], found["metric"]) == (RUNS[0], "AP50")
    assert [one["AP50"] for one in found["runs"]] == [0.999, 0.999, 0.997, 0.997]
    assert found["runs"][0]["settings"] == {"lr": 0.001, "size": 128}


def test_a_run_that_fails_does_not_end_the_others(shapes, venv_engine, trained, monkeypatch, capsys):
    works = process.run

    def fails(command, **options):
        return 2 if "0.001" in command.argv and "256" in command.argv else works(command, **options)

    monkeypatch.setattr(process, "run", fails)
    with pytest.raises(Exit) as ended:
        run()
    assert ended.value.code == 1
    assert f"1 of 4 runs failed ({RUNS[1]}: train.py (torch) ended with exit code 2)" in ended.value.message
    assert len([words for words in trained if "--run" in words]) == 3
    assert f"best by mAP: {RUNS[2]}" in capsys.readouterr().out


def test_runs_with_other_flags_are_not_gone_on_with(shapes, venv_engine, trained):
    finish(shapes, RUNS[1], 0.001, lr=0.001, size=256, epochs=5)
    with pytest.raises(Exit, match=f"run {RUNS[1]} is there already, with other flags: --epochs is 5 there and 10"):
        run()
    assert trained == []
    run(name="other")
    assert trained[0][trained[0].index("--run") + 1] == "other-lr0.001-size128"


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"framework": "troch"}, "did you mean 'torch'?"),
        (
            {"framework": "tf", "model": "retinanet_spinenet49_mobile", "grid": "size=256,320"},
            "takes multiples of 128 only",
        ),
        ({"grid": "model=ssd300_vgg61"}, "did you mean 'ssd300_vgg16'?"),
        ({"grid": "freeze=17"}, "--freeze 17"),
        ({"weights": "coco"}, "--weights coco: not fetched yet"),
        ({"data": "shaeps"}, "did you mean 'shapes'?"),
        ({"at_once": "4"}, "--at-once is for --engine slurm"),
        ({"metric": "loss"}, "is not one of mAP"),
        ({"name": "a/b"}, "--name 'a/b'"),
    ],
)
def test_what_cannot_be_is_said_before_anything_starts(shapes, venv_engine, trained, flags, says):
    with pytest.raises(Exit) as ended:
        run(**flags)
    assert ended.value.code == 2 and says in ended.value.message
    assert trained == [] and not (shapes / "sweeps").exists()
