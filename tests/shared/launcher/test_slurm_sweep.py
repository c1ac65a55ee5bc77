"""Sweeps as job arrays of a real cluster: twenty runs at once on one data volume, what each wrote, what is said."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from invoke import Exit, MockContext

import tasks
from isomer import sweep
from isomer.volume import Volume
from launcher.engines import venv
from launcher.slurm import array, probe, queue, runtimes, site
from launcher.slurm.batch import Launch

# What train.py leaves behind, with its own name in each file; it waits until as many as WAIT_FOR have begun, goes on
# where it was, and saves when it is sent TERM. A learning rate of 0.5 fails, one of 0.25 is killed once.
TRAINER = """
import json, os, pathlib, signal, sys, time
words = sys.argv[1:]
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
name, lr = (words[words.index(flag) + 1] for flag in ("--run", "--lr"))
volume = pathlib.Path(os.environ["ISOMER_DATA"])
run = volume / "runs" / name
(run / "checkpoints").mkdir(parents=True, exist_ok=True)
begun = volume.parent / "begun"
begun.mkdir(exist_ok=True)
(begun / name).touch()
end = time.monotonic() + 60
while len(list(begun.iterdir())) < int(os.environ.get("WAIT_FOR", 1)) and time.monotonic() < end:
    time.sleep(0.05)
print("read train: 1/1 images  9.9/s  0 s left", flush=True)
(run / "config.json").write_text(json.dumps({"lr": float(lr), "dataset_sha256": "d0"}))
if lr == "0.5":
    sys.exit("error: the loss is nan at step 1: train with a lower --lr")
steps = len((run / "metrics.jsonl").read_text().splitlines()) if (run / "metrics.jsonl").exists() else 0
for step in range(steps + 1, 6):
    with (run / "metrics.jsonl").open("a") as stream:
        line = {"step": step, "epoch": 1, "split": "val", "mAP": float(lr), "seconds": step, "run": name}
        stream.write(json.dumps(line) + "\\n")
    (run / "checkpoints" / f"step-{step}").write_text(name)
    if lr == "0.25" and os.environ.get("SLURM_RESTART_COUNT", "0") == "0" and step == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    print(f"train {name}: {step}/5 images  4.0/s  1 s left  loss 1.0", flush=True)
    time.sleep(float(os.environ.get("STEP", 0.02)))
    if asked:
        print("stopped, saved", flush=True)
        sys.exit()
task = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
restarts = int(os.environ.get("SLURM_RESTART_COUNT", 0))
record = {"state": "done", "run": name, "task": task, "restarts": restarts, "node": os.environ["SLURMD_NODENAME"]}
record |= {"words": words, "steps": 5, "metrics": {"mAP": float(lr), "AP50": 0.5}, "pid": os.getpid()}
(run / "run.json").write_text(json.dumps(record, indent=2))
print(f"run {name!r} is done", flush=True)
"""
# Python tells of every file that is opened for writing, moved or removed; each training's list is kept in a file
WITNESS = """
import os, sys
if "--run" in sys.argv:
    run = sys.argv[sys.argv.index("--run") + 1]
    seen = open(os.path.join(os.environ["WITNESS"], f"{run}-{os.getpid()}"), "a", buffering=1)
    CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink", "os.utime"}
    def hook(event, arguments):
        if event == "open" and isinstance(arguments[0], str) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            seen.write(f"{os.path.abspath(arguments[0])}\\n")
        elif event in CHANGES:
            for path in arguments[: 2 if event == "os.rename" else 1]:
                if isinstance(path, (str, bytes)):
                    seen.write(f"{os.path.abspath(os.fsdecode(path))}\\n")
    sys.addaudithook(hook)
"""


@pytest.fixture
def volume(slurm, tmp_path, monkeypatch) -> Volume:
    """A data volume with a dataset, for the cluster's partition in which jobs share a node."""
    for name, value in slurm.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("ISOMER_ENGINE", raising=False)
    monkeypatch.setenv("ISOMER_DATA", str(tmp_path / "data"))
    monkeypatch.setenv(site.VARIABLE, str(tmp_path / "slurm.toml"))
    (tmp_path / "slurm.toml").write_text('partition = "many"\n')
    made = Volume(tmp_path / "data")
    (made.datasets / "shapes" / "images").mkdir(parents=True)
    (made.datasets / "shapes" / "dataset.json").write_text('{"sha256": "d0"}')
    (made.datasets / "shapes" / "images" / "0.jpg").write_bytes(b"a picture")
    return made


@pytest.fixture
def stand_in(volume, tmp_path, monkeypatch):
    """The small program above in the place of training."""
    (tmp_path / "trainer.py").write_text(TRAINER)

    def launch(_self, step):
        wait = {key: os.environ[key] for key in ("WAIT_FOR", "STEP") if key in os.environ}
        argv = (sys.executable, str(tmp_path / "trainer.py"), *map(str, step.argv[1:]))
        return Launch(argv, {"ISOMER_DATA": str(volume.root), **wait})

    monkeypatch.setattr(runtimes.Venv, "launch", launch)
    monkeypatch.setattr(venv, "prepare", lambda *_: None)
    monkeypatch.setattr(venv, "gpu", lambda: None)
    monkeypatch.setattr(probe, "check", lambda *_: None)
    monkeypatch.setattr("launcher.sweeping.page", lambda *_: None)


def run(**flags) -> None:
    flags = {"framework": "torch", "engine": "slurm", "device": "cpu", **flags}
    tasks.namespace["sweep"](MockContext(), **flags)


def tree(folder: Path) -> dict[str, tuple[str, int]]:
    """Every file with its hash and when it was written."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        str(path.relative_to(folder)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in files
    }


def record(volume: Volume, name: str) -> dict:
    return json.loads((volume.runs / name / "run.json").read_text())


def rates(count: int) -> str:
    return ",".join(f"{number / 1000:g}" for number in range(1, count + 1))


def test_twenty_runs_at_once_write_each_its_own_files(volume, stand_in, monkeypatch, capsys):
    monkeypatch.setenv("WAIT_FOR", "20")  # so that all are there at the same time
    before = tree(volume.datasets)
    run(grid=f"lr={rates(20)}")
    assert tree(volume.datasets) == before
    found = sweep.outcomes(volume, sweep.load(volume, "shapes-torch-lr"))
    assert [one.is_done for one in found] == [True] * 20
    seen = set()
    for one in found:
        folder, mine = volume.runs / one.run, record(volume, one.run)
        assert mine["words"] == ["--device", "cpu", "--run", one.run, "--lr", str(one.settings["lr"])]
        assert json.loads((folder / "config.json").read_text())["lr"] == one.settings["lr"]
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        assert [line["step"] for line in lines] == [1, 2, 3, 4, 5] and {line["run"] for line in lines} == {one.run}
        assert {path.read_text() for path in (folder / "checkpoints").iterdir()} == {one.run}
        (log,) = folder.glob("slurm/*.log")
        assert log.stem == mine["task"] and f"run {one.run!r} is done" in log.read_text()
        assert set(re.findall(r"shapes-torch-lr[\d.e-]+", log.read_text())) == {one.run}
        assert {path.name for path in folder.iterdir()} == {
            "config.json",
            "run.json",
            "metrics.jsonl",
            "checkpoints",
            "slurm",
        }
        seen.add(mine["task"])
    (identity,) = sweep.load(volume, "shapes-torch-lr").arrays
    assert seen == {f"{identity}_{number}" for number in range(20)}
    assert {record(volume, one.run)["node"] for one in found} == {"n1", "n2"}
    said = capsys.readouterr().out
    assert "best by mAP: shapes-torch-lr0.02, 0.020" in said
    assert len([line for line in said.splitlines() if line.startswith("train ")]) == 0, "no interleaved logs"


def test_at_most_so_many_at_once(volume, stand_in, capsys):
    run(grid=f"lr={rates(4)}", at_once="1")
    said = capsys.readouterr().out
    most = max(int(count) for count in re.findall(r"(\d+) running", said))
    # one that has just ended may still be counted as running
    assert most <= 2 and "as many of the sweep as may run at once are running" in said


def test_a_failed_run_is_named_and_the_others_are_done(volume, stand_in, capsys):
    with pytest.raises(Exit) as ended:
        run(grid="lr=0.1,0.5,0.2")
    assert ended.value.code == 1
    assert "1 of 3 runs failed (shapes-torch-lr0.5: the loss is nan at step 1" in ended.value.message
    assert "best by mAP: shapes-torch-lr0.2" in capsys.readouterr().out


def test_a_killed_task_starts_again_alone(volume, stand_in, slurm):
    run(grid="lr=0.1,0.2,0.25")
    assert [record(volume, f"shapes-torch-lr{lr}")["restarts"] for lr in ("0.1", "0.2", "0.25")] == [0, 0, 1]
    lines = (volume.runs / "shapes-torch-lr0.25" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4, 5]


def test_a_task_whose_time_is_up_saves_and_starts_again_alone(volume, stand_in, slurm, monkeypatch):
    monkeypatch.setenv("WAIT_FOR", "3")
    monkeypatch.setenv("STEP", "0.7")
    shown, told = array.Board.show, []

    def warn(board, open_):
        shown(board, open_)
        logs = [volume.runs / one.run / "metrics.jsonl" for one in open_]
        if not told and len(open_) == 3 and all(path.is_file() for path in logs):
            # what Slurm sends before a time limit; the last task has the array's own number
            told.append(slurm.run(["scancel", "--batch", "--signal=USR1", open_[-1].identity]))

    monkeypatch.setattr(array.Board, "show", warn)
    run(grid="lr=0.1,0.2,0.3")
    names = [f"shapes-torch-lr{lr}" for lr in ("0.1", "0.2", "0.3")]
    assert [record(volume, name)["restarts"] for name in names] == [0, 0, 1]
    (log,) = (volume.runs / names[2] / "slurm").glob("*.log")
    assert "stopped, saved" in log.read_text() and "starts again, number 1 (time limit)" in log.read_text()
    lines = (volume.runs / names[2] / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4, 5]


def test_the_same_command_follows_what_is_queued_and_trains_what_is_missing(volume, stand_in, monkeypatch, capsys):
    monkeypatch.setenv("STEP", "1")
    followed = []
    monkeypatch.setattr(array, "follow", lambda _volume, given: followed.append(dict(given)) or {})
    with pytest.raises(Exit, match="2 of 2 runs failed"):
        run(grid="lr=0.1,0.2")  # submitted, and not waited for
    with pytest.raises(Exit, match="3 of 3 runs failed"):
        run(grid="lr=0.1,0.2,0.3")
    assert "2 of the runs are in the queue already" in capsys.readouterr().out
    first, second = sweep.load(volume, "shapes-torch-lr").arrays
    names = ("shapes-torch-lr0.1", "shapes-torch-lr0.2", "shapes-torch-lr0.3")
    with pytest.raises(
        Exit, match=r"--fresh: \d of the runs are in the queue; ./inv jobs-cancel shapes-torch-lr first"
    ):
        run(grid="lr=0.1,0.2,0.3", fresh=True)
    assert followed[1] == dict(zip(names, (f"{first}_0", f"{first}_1", f"{second}_0"), strict=True))
    for identity in (first, second):
        queue.cancel(identity)


def test_jobs_of_a_sweep_are_shown_and_cancelled_by_run_and_number(volume, stand_in, monkeypatch, capsys):
    monkeypatch.setenv("WAIT_FOR", "100")  # that never come
    followed = array.follow
    monkeypatch.setattr(array, "follow", lambda *_: {})
    with pytest.raises(Exit):
        run(grid="lr=0.1,0.2,0.3", at_once="2")
    monkeypatch.setattr(array, "follow", followed)
    (number,) = sweep.load(volume, "shapes-torch-lr").arrays
    while sum(job.state == "RUNNING" for job in queue.jobs()) < 2:
        time.sleep(0.1)
    capsys.readouterr()
    tasks.namespace["jobs"](MockContext(), json="-")
    shown = {job["id"]: job for job in json.loads(capsys.readouterr().out)}
    assert {identity: job["run"] for identity, job in shown.items()} == {
        f"{number}_{place}": f"shapes-torch-lr{lr}" for place, lr in enumerate(("0.1", "0.2", "0.3"))
    }
    assert "(JobArrayTaskLimit)" in shown[f"{number}_2"]["why"]
    tasks.namespace["jobs-cancel"](MockContext(), job="shapes-torch-lr0.3")
    tasks.namespace["jobs-cancel"](MockContext(), job=f"{number}_0")
    said = capsys.readouterr().out
    assert f"job {number}_2 cancelled (train-torch shapes-torch-lr0.3)" in said
    assert f"job {number}_0 cancelled (train-torch shapes-torch-lr0.1)" in said
    tasks.namespace["jobs-cancel"](MockContext(), job="shapes-torch-lr")  # what is left of it
    assert f"job {number}_1 cancelled" in capsys.readouterr().out
    with pytest.raises(Exit, match="3 of 3 runs failed"):
        tasks.namespace["jobs-log"](MockContext(), job=number, follow=True)
    tasks.namespace["jobs-log"](MockContext(), job=number)
    said = capsys.readouterr().out
    assert f"{number}_0 shapes-torch-lr0.1: " in said and f"{number}_2 shapes-torch-lr0.3: nothing yet" in said
    tasks.namespace["jobs-log"](MockContext(), job="shapes-torch-lr0.1")
    assert "read train" not in capsys.readouterr().out


def test_ctrl_c_leaves_the_array_in_the_queue(volume, stand_in, monkeypatch, capsys):
    monkeypatch.setenv("WAIT_FOR", "100")
    looked = array.Board.show

    def interrupt(board, open_):
        looked(board, open_)
        if any(one.runs for one in open_):
            raise KeyboardInterrupt

    monkeypatch.setattr(array.Board, "show", interrupt)
    with pytest.raises(SystemExit) as ended:
        run(grid="lr=0.1,0.2,0.3")
    (number,) = sweep.load(volume, "shapes-torch-lr").arrays
    assert ended.value.code == 130 and f"job {number} left in the queue" in capsys.readouterr().out
    assert len(queue.jobs()) == 3
    queue.cancel(number)


@pytest.mark.slow
def test_twenty_real_trainings_at_once(volume, tmp_path, monkeypatch):
    """Real train.py of torch: each process changes files of its own run alone, and learns what it learns alone."""
    if not venv.is_ready("torch", "cpu") or not venv.is_ready("onnx", "cpu"):
        pytest.skip("the venv engine's environments are not made: ./inv build --engine venv")
    witness = tmp_path / "witness"
    witness.mkdir()
    (tmp_path / "sitecustomize.py").write_text(WITNESS)
    plain = runtimes.Venv.launch

    def launch(self, step):
        made = plain(self, step)
        path = f"{tmp_path}{os.pathsep}{made.env['PYTHONPATH']}"
        return Launch(made.argv, {**made.env, "PYTHONPATH": path, "WITNESS": str(witness), "OMP_NUM_THREADS": "1"})

    monkeypatch.setattr(runtimes.Venv, "launch", launch)
    subprocess.run(["rm", "-r", volume.datasets / "shapes"], check=True)
    tasks.namespace["data-make"](MockContext(), kind="shapes", train="8", val="2", test="2", engine="venv")
    before = tree(volume.datasets)
    flags = {"steps": "2", "batch": "4", "size": "96", "workers": "0", "eval_every": "10", "deterministic": True}
    run(grid=f"lr=1e-3,2e-3 seed={','.join(map(str, range(10)))}", **flags)
    assert tree(volume.datasets) == before
    found = sweep.outcomes(volume, sweep.load(volume, "shapes-torch-lr-seed"))
    assert len(found) == 20 and all(one.is_done for one in found)
    for one in found:
        config = json.loads((volume.runs / one.run / "config.json").read_text())
        assert {key: config[key] for key in one.settings} == one.settings
        touched = {path for file in witness.glob(f"{one.run}-*") for path in file.read_text().splitlines()}
        inside = {path for path in touched if Path(path).is_relative_to(volume.root)}
        assert f"{volume.runs / one.run}/metrics.jsonl" in inside, "the witness sees"
        assert {path for path in inside if not Path(path).is_relative_to(volume.runs / one.run)} == set()
    last = found[-1]
    tasks.namespace["train-torch"](
        MockContext(), device="cpu", engine="slurm", run="alone", lr="2e-3", seed="9", **flags
    )
    keys = ("weights_sha256", "steps")
    assert {key: record(volume, "alone")[key] for key in keys} == {key: record(volume, last.run)[key] for key in keys}
