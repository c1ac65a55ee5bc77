"""What each verb runs, command by command, against a mock context; and what it refuses before anything runs."""

from __future__ import annotations

import dataclasses
import json
import shlex

import pytest
from invoke import Exit, MockContext
from invoke.parser import Parser

import tasks
from isomer import flags
from launcher import options


def call(verb: str, **words):
    return tasks.namespace[verb](MockContext(), **words)


def scripts(commands) -> list[list[str]]:
    """The scripts that were run, with their arguments, whatever the engine."""
    found = []
    for command in commands:
        first = next(index for index, word in enumerate(command.argv) if word.endswith(".py"))
        found.append([word.rsplit("/", 1)[-1] if word.endswith(".py") else word for word in command.argv[first:]])
    return found


def test_only_what_was_typed_is_handed_on(commands, venv_engine):
    call("train-torch", epochs="2", data="raccoon", eval_every="1", fresh=True)
    typed = ["train.py", "--data", "raccoon", "--epochs", "2", "--eval-every", "1", "--fresh"]
    (ran,) = scripts(commands)
    assert sorted(ran) == sorted(typed) and ran[0] == "train.py"
    assert commands[0].argv[1] == "images/torch/train.py"


def test_export_is_three_steps_of_two_images(commands, venv_engine):
    call("export-tf", data="raccoon", channels="bgr", device="cpu")
    assert scripts(commands) == [
        ["export.py", "--data", "raccoon", "--device", "cpu"],
        ["assemble.py", "--data", "raccoon", "--run", "raccoon-tf", "--channels", "bgr"],
        ["gate.py", "--data", "raccoon", "--run", "raccoon-tf", "--channels", "bgr"],
    ]
    assert [command.argv[1].split("/")[1] for command in commands] == ["tf", "onnx", "onnx"]


def test_repeated_flags(commands, venv_engine):
    call("parity", model=["shapes-tf", "shapes-torch"], max_gap="none")
    assert scripts(commands) == [["parity.py", "--model", "shapes-tf", "--model", "shapes-torch", "--max-gap", "none"]]


def test_both_engines_run_the_same_script_with_the_same_flags(commands, venv_engine, monkeypatch):
    call("train-tf", steps="5", engine="venv")
    monkeypatch.setattr("launcher.engines.docker.unavailable", lambda: None)
    monkeypatch.setattr("launcher.engines.docker.gpu", lambda: None)
    monkeypatch.setattr("launcher.engines.docker.is_ready", lambda *_: True)
    monkeypatch.setattr("launcher.engines.docker.built", lambda _: None)
    call("train-tf", steps="5", engine="docker")
    by_venv, by_docker = scripts(commands)
    assert by_venv == by_docker == ["train.py", "--steps", "5"]


def test_only_data_download_has_a_network(commands, docker_engine):
    call("data-download", source="pennfudan", engine="docker")
    call("data-make", engine="docker")
    assert [("onnx-online" in command.argv, "onnx" in command.argv) for command in commands] == [
        (True, False),
        (False, True),
    ]
    assert scripts(commands)[0] == ["data_download.py", "--source", "pennfudan"]


def test_the_steps_know_where_they_come_from(commands, venv_engine):
    call("train-torch")
    env = commands[0].env
    assert env["ISOMER_ENGINE"] == "venv" and env["ISOMER_ENVIRONMENT"].startswith("torch-")
    assert len(env["ISOMER_LOCK_SHA256"]) == 64 and env["ISOMER_GIT_DIRTY"] in ("true", "false", "unknown")


def test_a_failed_step_fails_the_verb_with_its_code_and_stops_there(commands, venv_engine, monkeypatch):
    monkeypatch.setattr("launcher.process.run", lambda command, **_: commands.append(command) or 7)
    with pytest.raises(Exit) as stopped:
        call("export-torch")
    assert stopped.value.code == 7 and "export.py" in stopped.value.message
    assert len(commands) == 1


def test_the_command_is_shown_before_it_runs(commands, venv_engine, capsys):
    call("train-torch", run="it's mine")
    shown = capsys.readouterr().out
    assert commands[0].line() in shown
    assert """'it'"'"'s mine'""" in shown


@pytest.mark.parametrize(
    ("verb", "words", "says"),
    [
        ("train-torch", {"epochs": "many"}, "--epochs: 'many' is not a whole number"),
        ("train-torch", {"size": "32"}, "--size"),
        ("train-tf", {"device": "tpu"}, "auto, cpu, gpu"),
        ("train-tf", {"engine": "podman"}, "docker, venv"),
        ("train-tf", {"device": "gpu"}, "no GPU"),
        ("data-make", {"kind": "circles"}, "'circles' is not one of shapes"),
        ("data-import", {"path": "/no/such/folder", "name": "x"}, "no such file or folder: /no/such/folder"),
        ("data-import", {"path": "."}, "--name"),
        ("check", {"file": "/no/such/model.onnx"}, "/no/such/model.onnx"),
        ("pipeline", {"frameworks": "torch,jax"}, "unknown framework 'jax'"),
        ("pipeline", {"frameworks": "jax"}, "Known: tf, torch"),
        ("pipeline", {"data": "unheard"}, "unknown dataset 'unheard'"),
        ("pipeline", {"max_gap": "wide"}, "--max-gap wide"),
        ("pipeline", {"max_gap": "2"}, "--max-gap 2"),
        ("conflicts", {"image": "torch"}, "two images"),
        ("conflicts", {"image": "torch,jax"}, "unknown image 'jax'"),
        ("build", {"image": "jax"}, "Known: onnx, tf, torch"),
        ("test", {"image": "jax"}, "unknown image 'jax'"),
        ("clean", {"data": True}, "--yes"),
    ],
)
def test_bad_input_is_a_sentence_before_anything_runs(commands, venv_engine, verb, words, says):
    with pytest.raises(Exit) as stopped:
        call(verb, **words)
    assert stopped.value.code == 2 and says in stopped.value.message
    assert commands == []


def test_docker_asked_for_without_an_engine(commands, no_docker):
    with pytest.raises(Exit, match="docker engine cannot be used: no Docker engine answers"):
        call("train-torch", engine="docker")
    assert commands == []


def test_the_engine_of_the_environment_is_taken(commands, venv_engine, monkeypatch, capsys):
    monkeypatch.setenv("ISOMER_ENGINE", "venv")
    call("report")
    assert "engine: venv (as asked)" in capsys.readouterr().out


def test_a_word_is_a_dataset_where_there_is_one_and_else_a_path(commands, venv_engine, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pets").mkdir()
    call("data-check", what="pets", json="found.json")
    (data / "datasets" / "pets").mkdir(parents=True, exist_ok=True)
    (data / "datasets" / "pets" / "dataset.json").write_text("{}")
    call("data-check", what="pets")
    call("data-check", what="pots")
    assert scripts(commands) == [
        ["data_check.py", str(tmp_path / "pets"), "--json", str(tmp_path / "found.json")],
        ["data_check.py", "pets"],
        ["data_check.py", "pots"],
    ]


def test_what_cannot_be_written_is_said_before_anything_runs(commands, venv_engine, tmp_path):
    with pytest.raises(Exit, match="no such file or folder"):
        call("data-export", format="voc", to=str(tmp_path / "nowhere" / "out"))
    assert commands == []


@pytest.mark.parametrize("named_by", ["typed", "config", "toml", "resume"])
def test_a_container_is_shown_a_file_of_weights_whoever_names_it(commands, docker_engine, data, tmp_path, named_by):
    file = tmp_path / "elsewhere" / "mine.pth"
    file.parent.mkdir()
    file.touch()
    (tmp_path / "flags.json").write_text(json.dumps({"weights": str(file), "epochs": 3}))
    (tmp_path / "flags.toml").write_text(f'weights = "{file}"')
    run = data / "runs" / "shapes-torch"
    run.mkdir(parents=True)
    (run / "config.json").write_text(json.dumps({"weights": str(file)}))
    words = {
        "typed": {"weights": str(file)},
        "config": {"config": str(tmp_path / "flags.json")},
        "toml": {"config": str(tmp_path / "flags.toml")},
        "resume": {"resume": True},
    }
    call("train-torch", **words[named_by])
    argv = commands[0].argv
    assert argv[argv.index("--weights") + 1] == str(file)
    assert f"{file}:{file}:ro" in argv


@pytest.mark.parametrize("word", ["coco", "none", "other-run"])
def test_a_word_for_weights_stays_one(commands, venv_engine, data, word):
    run = data / "runs" / "shapes-torch"
    run.mkdir(parents=True)
    (run / "config.json").write_text(json.dumps({"weights": word}))
    call("train-torch", resume=True)
    call("train-torch", weights=word)
    assert scripts(commands) == [["train.py", "--resume"], ["train.py", "--weights", word]]


def test_every_verb_has_examples_which_are_commands_that_it_takes():
    parser = Parser(contexts=tasks.namespace.to_contexts())
    for name in tasks.namespace.task_names:
        lines = tasks.namespace[name].body.examples
        assert lines, name
        for line in lines:
            inv, verb, *words = shlex.split(line, comments=True)
            assert (inv, verb) == ("./inv", name)
            parser.parse_argv([verb, *words])


def test_the_values_in_examples_are_allowed():
    classes = [
        item
        for module in (flags, options)
        for item in vars(module).values()
        if isinstance(item, type) and dataclasses.is_dataclass(item)
    ]
    for cls in classes:
        for line in flags.examples(cls):
            flags.parser(cls).parse_known_args(shlex.split(line, comments=True)[2:])
            assert line not in flags.description(cls)


def test_a_model_is_a_name_or_a_file_each_time(commands, venv_engine, tmp_path):
    (tmp_path / "mine.onnx").write_bytes(b"")
    call("benchmark", model=["shapes-torch", str(tmp_path / "mine.onnx")], json=str(tmp_path / "all.json"))
    words = ["--model", "shapes-torch", "--model", str(tmp_path / "mine.onnx"), "--json", str(tmp_path / "all.json")]
    assert scripts(commands) == [["benchmark.py", *words]]


@pytest.mark.parametrize(("verb", "says"), [("benchmark", None), ("pipeline", "the same command goes on from there")])
def test_an_interrupted_step_has_said_what_becomes_of_it_but_not_of_those_around_it(
    commands, venv_engine, monkeypatch, verb, says
):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("launcher.process.run", interrupted)
    words = {"benchmark": {"model": ["shapes-torch"]}, "pipeline": {}}
    with pytest.raises(Exit) as stopped:
        call(verb, **words[verb])
    assert stopped.value.code == 130
    assert (says is None) == (stopped.value.message is None) and (says or "") in (stopped.value.message or "")


@pytest.mark.parametrize(
    ("verb", "code", "says"),
    [
        ("report", 2, None),  # its own sentence stands above
        ("report", 1, None),
        ("report", 137, "report.py (onnx) ended with exit code 137"),
        ("pipeline", 2, "ended with exit code 2"),
    ],
)
def test_what_a_step_has_said_is_not_said_twice(commands, venv_engine, monkeypatch, verb, code, says):
    monkeypatch.setattr("launcher.process.run", lambda *_, **__: code)
    with pytest.raises(Exit) as stopped:
        call(verb)
    assert stopped.value.code == code
    assert (says is None) == (stopped.value.message is None) and (says or "") in (stopped.value.message or "")
