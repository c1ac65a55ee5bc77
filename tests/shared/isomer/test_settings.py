"""What a run is asked to do: which of flag, file, run and default wins, and what is refused in words."""

from __future__ import annotations

import json

import pytest

from isomer import flags
from isomer.catalogue import Model, Pretrained
from isomer.dataset.canonical import Dataset
from isomer.errors import UserError
from isomer.flags import Train
from isomer.run import start_or_resume
from isomer.settings import settle
from isomer.volume import Volume

COCO = Pretrained("https://models.example.org/small.pth", "MIT")


def model(name: str, size: int, **weights: Pretrained) -> Model:
    return Model(name, name, size, 1, 1.0, "https://", "https://", weights)


MODELS = {one.name: one for one in (model("small", 320, coco=COCO), model("large", 640))}


@pytest.fixture
def volume(tmp_path) -> Volume:
    return Volume(tmp_path)


@pytest.fixture
def asked(volume):
    """The settled flags of a command line."""
    return lambda line="": settle("torch", MODELS, volume, line.split())


@pytest.fixture
def start(volume, asked):
    """Begin the run that a command line asks for, or go on with it."""
    pets = Dataset("pets", volume.datasets / "pets", ("cat",), "0" * 64)
    return lambda line: start_or_resume(volume, pets, asked(line), "torch", {"lr": 0.1})


@pytest.fixture
def file(tmp_path):
    def write(values: dict | str, name: str = "flags.json") -> str:
        (tmp_path / name).write_text(values if isinstance(values, str) else json.dumps(values))
        return f"--config {tmp_path / name}"

    return write


def refused(asked, line: str) -> str:
    with pytest.raises(UserError) as caught:
        asked(line)
    return str(caught.value)


def test_nothing_given(asked):
    settled = asked()
    assert (settled.model, settled.weights, settled.size, settled.epochs) == ("small", "none", 160, 10)
    assert (settled.lr, settled.warmup, settled.weight_decay) == (None, None, None)  # the recipe's


def test_fetched_weights_are_taken_at_their_own_size(asked, volume):
    volume.weights.mkdir()
    (volume.weights / "small.pth").touch()
    assert (asked().weights, asked().size) == ("coco", 320)
    assert (asked("--weights none").weights, asked("--weights none").size) == ("none", 160)
    assert asked("--size 224").size == 224
    assert asked("--model large").weights == "none"


def test_weights_of_a_run_are_taken_at_its_size(asked, start):
    start("--data pets --run first --size 192")
    assert asked("--weights first").size == 192
    assert asked("--weights elsewhere.pth").size == 320


def test_typed_beats_file_beats_run_beats_default(asked, start, file):
    start("--data pets --batch 4 --lr 0.5 --size 192 --seed 7")
    config = file({"lr": 0.25, "seed": 3, "eval-every": 2})
    settled = asked(f"--data pets --resume {config} --seed 1")
    assert (settled.seed, settled.lr, settled.batch, settled.size) == (1, 0.25, 4, 192)
    assert (settled.eval_every, settled.epochs) == (2.0, 10)


def test_toml(asked, file):
    settled = asked(file("epochs = 20\nlr = 0.01\namp = true\nfreeze = 2\neval-every = 1\n", "flags.toml"))
    assert (settled.epochs, settled.lr, settled.amp, settled.freeze, settled.eval_every) == (20, 0.01, True, "2", 1.0)


def test_a_run_goes_into_a_file_and_comes_out_the_same(start, asked, volume):
    run = start("--data pets --steps 70 --schedule step --amp --ema 0.99 --freeze backbone --weights none")
    again = asked(f"--config {run.path / 'config.json'} --run again")
    first = asked("--data pets --resume")
    saved = [key for key in flags.Train.__dataclass_fields__ if key not in flags.FREE]
    assert [getattr(again, key) for key in saved] == [getattr(first, key) for key in saved]
    assert (again.steps, again.schedule, again.amp, again.run) == (70, "step", True, "again")


def test_a_length_in_epochs_takes_the_place_of_one_in_steps(asked, file):
    settled = asked(f"{file({'steps': 500, 'epochs': 10})} --epochs 3")
    assert (settled.epochs, settled.steps) == (3, None)
    assert asked(f"{file({'epochs': 10})} --steps 500").steps == 500


def test_what_was_settled_once_stays_when_the_run_goes_on(start, asked, volume):
    start("--data pets")
    volume.weights.mkdir()
    (volume.weights / "small.pth").touch()
    assert (asked("--data pets").weights, asked("--data pets").size) == ("none", 160)
    assert asked("--data pets --fresh").weights == "coco"
    start("--data pets")


def test_a_run_of_another_framework(start, asked, volume):
    start("--data pets --run mine")
    with pytest.raises(UserError, match="run 'mine' was trained with torch, not with tf: give another --run"):
        settle("tf", MODELS, volume, ["--run", "mine"])


def test_resuming_with_other_settings_says_which_differ(start):
    run = start("--data pets --batch 4")
    run.checkpoints.mkdir()
    (run.checkpoints / "step-4").touch()
    with pytest.raises(UserError) as caught:
        start("--data pets --resume --batch 8 --lr 0.5 --workers 0")
    text = str(caught.value)
    assert "--batch is 4 there and 8 here" in text and "--lr is None there and 0.5 here" in text
    assert "workers" not in text and "--fresh" in text


def test_a_run_that_ended_before_its_first_checkpoint_makes_place(start):
    start("--data pets --batch 4").update(state="failed")
    assert start("--data pets --batch 8").config()["batch"] == 8
    start("--data pets --batch 8").update(state="running")
    with pytest.raises(UserError, match="--batch is 8 there and 4 here"):
        start("--data pets --batch 4")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--resume", "--resume: there is no run 'shapes-torch' to go on with"),
        ("--resume --run mine", "there is no run 'mine'"),
        ("--resume --fresh", "--resume and --fresh cannot both be given"),
        ("--steps 5 --epochs 2", "--steps and --epochs cannot both be given"),
        ("--model smal", "unknown --model 'smal'; did you mean 'small'? Known: large, small"),
        ("--config /nowhere/flags.json", "--config /nowhere/flags.json: "),
    ],
)
def test_what_cannot_be(asked, line, says):
    assert says in refused(asked, line)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"epoch": 3}, "unknown flag 'epoch'; did you mean 'epochs'?"),
        ({"config": "other.json"}, "unknown flag 'config'"),
        ({"epochs": "many"}, "--epochs: 'many' is not a whole number, at least 1"),
        ({"epochs": 2.5}, "--epochs: '2.5' is not a whole number"),
        ({"lr": -1}, "--lr: -1 is not a number, at least 0"),
        ({"schedule": "linear"}, "--schedule: 'linear' is not one of cosine, step, constant"),
        ({"amp": "yes"}, '--amp is "yes", not true or false'),
        ({"epochs": True}, "--epochs is true, not one word or number"),
        ({"data": ["a", "b"]}, '--data is ["a", "b"], not one word or number'),
        ({"resume": True, "fresh": True}, "--resume and --fresh cannot both be given"),
        ("[1, 2]", 'it must hold flags by name, like {"epochs": 20}'),
        ("epochs = 3", "it must be a JSON file, or a TOML file named *.toml"),
        ("", "it must be a JSON file"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_the_flag(asked, file, values, says):
    config = file(values)
    text = refused(asked, config)
    assert says in text
    assert "cannot both" in says or config.split()[1] in text


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--epochs 0", "argument --epochs: 0 is not a whole number, at least 1"),
        ("--ema 1", "--ema: 1 is not a number, at least 0 and at most 0.99999"),
        ("--lr nan", "--lr: nan is not a number"),
        ("--augment heavy", "--augment: 'heavy' is not one of none, light, ssd"),
        ("--learning-rate 0.1", "unrecognized arguments: --learning-rate 0.1"),
    ],
)
def test_a_wrong_flag_is_named_with_what_is_allowed(asked, capsys, line, says):
    with pytest.raises(SystemExit) as stopped:
        asked(line)
    assert stopped.value.code == 2 and says in capsys.readouterr().err


def test_every_flag_survives_the_way_through_a_command_line():
    values = {"data": "pets", "epochs": 3, "lr": 0.5, "amp": True, "freeze": "backbone", "deterministic": True}
    assert flags.parse(Train, flags.to_argv(Train, values)) == Train(**values)
