"""--dry-run: the commands that would run, and nothing else."""

from __future__ import annotations

import shlex

import pytest
from invoke import MockContext

import tasks
from launcher.engines import venv


@pytest.mark.parametrize(
    ("verb", "flags", "scripts"),
    [
        ("train-torch", {"lr": "0.1"}, ["images/torch/train.py"]),
        ("export-tf", {}, ["images/tf/export.py", "images/onnx/assemble.py", "images/onnx/gate.py"]),
        ("convert", {"path": __file__, "name": "m"}, ["images/onnx/identify.py"]),
        (
            "pipeline",
            {"frameworks": "torch"},
            [
                *("images/onnx/data_make.py", "images/torch/train.py", "images/torch/export.py"),
                *("images/onnx/assemble.py", "images/onnx/gate.py", "images/onnx/parity.py", "images/onnx/report.py"),
            ],
        ),
    ],
)
@pytest.mark.parametrize("ready", [True, False])
def test_it_shows_what_would_run(commands, data, capsys, monkeypatch, verb, flags, scripts, ready):
    monkeypatch.setattr(venv, "is_ready", lambda *_: ready)
    tasks.namespace[verb](MockContext(), engine="venv", dry_run=True, **flags)

    lines = capsys.readouterr().out.splitlines()
    shown = [word for line in lines if line.startswith("ISOMER") for word in shlex.split(line)]
    assert [word for word in shown if word.startswith("images/")] == scripts
    assert any("would be made first" in line for line in lines) != ready
    assert commands == []
    assert not data.exists()
