"""--json: one document alone on standard output, or in a file, whatever verb and engine."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from isomer import answers, flags
from launcher import options, process
from launcher.engines import docker
from launcher.process import Command
from launcher.step import Step


def inv(root, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run([str(root / "inv"), *words], capture_output=True, text=True, check=False, cwd=root)


@pytest.mark.parametrize("verb", [("runs",), ("models",), ("weights", "--list"), ("doctor", "--engine", "venv")])
@pytest.mark.parametrize("alone", [("--json",), ("--json", "-")])
def test_the_launcher_s_own_verbs_print_nothing_else(root, data, verb, alone):
    assert isinstance(json.loads(inv(root, *verb, *alone).stdout), list | dict)


def test_a_file_can_be_named_instead(root, data, tmp_path):
    done = inv(root, "models", "--json", str(tmp_path / "models.json"))
    assert done.returncode == 0 and not done.stdout
    assert json.loads((tmp_path / "models.json").read_text())[0]["framework"]


def test_of_all_commands_only_the_step_writes_to_standard_output(capfd):
    def say(words: str) -> Command:
        return Command((sys.executable, "-c", f"print({words!r})"))

    with answers.alone(answers.STDOUT):
        print("engine: venv")
        process.show(say("shown"))
        process.run(say("environment made"))
        process.run(say("{}"), answers_here=True)
        answers.give(answers.STDOUT, {"answer": 42})
    print("afterwards")
    captured = capfd.readouterr()
    assert captured.out == '{}\n{\n  "answer": 42\n}\nafterwards\n'
    assert "engine: venv" in captured.err and "environment made" in captured.err


def test_of_a_verb_s_steps_only_one_that_answers_prints_there(monkeypatch, venv_engine):
    printed = []
    monkeypatch.setattr(process, "run", lambda *_, answers_here, **__: printed.append(answers_here) or 0)
    with answers.alone(answers.STDOUT):
        venv_engine.run(Step("torch", ("train.py", "--data", "shapes")))
        venv_engine.run(Step("onnx", ("parity.py", "--data", "shapes", "--json", "-")))
    assert printed == [False, True]


def test_a_container_gets_no_terminal_which_would_mix_the_answer_with_the_rest(monkeypatch):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with answers.alone(Path("-")):
        assert "--no-TTY" in docker.command(Step("onnx", ("check.py",)), "name").argv


def test_it_is_the_same_flag_everywhere():
    classes = [item for module in (flags, options) for item in vars(module).values() if dataclasses.is_dataclass(item)]
    having = [cls for cls in classes if isinstance(cls, type) and "json" in cls.__dataclass_fields__]
    assert len(having) > 9
    assert {cls.__dataclass_fields__["json"] for cls in having} == {flags.Json.__dataclass_fields__["json"]}


def test_the_readme_names_the_verbs_that_have_it(root):
    import tasks

    verbs = tasks.namespace.task_names
    having = {name for name in verbs if "json" in {item.name for item in tasks.namespace[name].body.flag_items}}
    words = (root / "README.md").read_text().partition("that programs want (")[2].partition(")")[0]
    assert set(re.findall("`([a-z-]+)`", words)) == having
