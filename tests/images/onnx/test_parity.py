"""parity on made-up models that always say the same: how good they are is known beforehand."""

import json
import os
import subprocess
import sys
from pathlib import Path

import onnx
import pets
import pytest
from pets import publish

from isomer import files, parity
from isomer.errors import UserError
from isomer.volume import Volume

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def volume(tmp_path) -> Volume:
    return pets.make(tmp_path)


def run(volume: Volume, *argv: str) -> subprocess.CompletedProcess:
    """The script as the launcher starts it."""
    return subprocess.run(
        [sys.executable, REPOSITORY / "images/onnx/parity.py", "--data", "pets", *argv],
        env=os.environ | {"ISOMER_DATA": str(volume.root), "PYTHONPATH": str(REPOSITORY / "shared")},
        capture_output=True,
        text=True,
    )


def read(volume: Volume) -> dict:
    return json.loads((volume.reports / "pets" / "parity.json").read_text())


def test_equal_models_pass(volume):
    publish(volume, "one")
    publish(volume, "two", cat=0.8, dog=0.4)
    done = run(volume)
    assert done.returncode == 0, done.stderr
    assert "parity: AP50 differs by 0.000" in done.stdout
    asked = run(volume, "--json")
    report = read(volume)
    assert json.loads(asked.stdout) == report and "parity: AP50" in asked.stderr
    assert report["verdict"] == {"passed": True, "reasons": [], "max_gap": 0.05, "gap": 0.0, "notes": []}
    assert report["agreement"] == [
        {"models": ["pets-one", "pets-two"], "both": 10, "only_first": 0, "only_second": 0},
    ]
    one = report["models"][0]
    assert (one["framework"], one["input_size"]) == ("one", "96")
    assert one["sha256"] == files.sha256_of_file(volume.model("pets-one"))
    assert one["metrics"]["AP50"] == pytest.approx(1)
    assert 0 < one["latency_ms"]["p50"] <= one["latency_ms"]["p95"]
    assert len(parity.read_detections(volume.reports / "pets", "pets-one")) == 10


def test_low_scores_count_for_the_metrics_but_not_for_the_agreement(volume):
    publish(volume, "one")
    publish(volume, "two", dog=0.1)
    assert run(volume).returncode == 0
    report = read(volume)
    assert report["models"][1]["metrics"]["AP50"] == pytest.approx(1)
    assert report["models"][1]["metrics"]["recall"] == 0.5
    assert report["agreement"][0]["only_first"] == 5


def test_a_gap_too_large_fails_with_its_figures(volume):
    publish(volume, "good")
    publish(volume, "bad", dog=0)
    done = run(volume)
    assert done.returncode == 1
    assert "AP50 differs by 0.500, more than --max-gap 0.05: pets-good 1.000, pets-bad 0.500" in done.stderr
    assert read(volume)["verdict"]["passed"] is False
    assert run(volume, "--max-gap", "none").returncode == 0
    assert run(volume, "--max-gap", "0.6").returncode == 0


def test_other_order_of_classes_fails_but_is_measured_right(volume):
    publish(volume, "one")
    publish(volume, "two", classes=("dog", "cat"))
    done = run(volume)
    assert done.returncode == 1
    assert "pets-two has the classes dog, cat; pets-one has cat, dog" in done.stderr
    assert [model["metrics"]["AP50"] for model in read(volume)["models"]] == pytest.approx([1, 1])


def test_bgr_model_is_fed_bgr(volume):
    publish(volume, "one")
    publish(volume, "two", channels="bgr")
    assert run(volume).returncode == 0
    assert [model["metrics"]["AP50"] for model in read(volume)["models"]] == pytest.approx([1, 1])


def test_one_model_has_nothing_to_compare_with(volume):
    publish(volume, "one")
    done = run(volume)
    assert done.returncode == 0
    assert "pets-one is the only published model of pets: nothing to compare it with" in done.stdout
    assert read(volume)["verdict"]["gap"] is None


def test_stale_models_are_named_and_left_out(volume):
    publish(volume, "one")
    publish(volume, "old", sha256="1" * 64)
    done = run(volume)
    assert done.returncode == 0
    assert "pets-old is left out: trained on an earlier version of pets" in done.stdout
    assert [model["name"] for model in read(volume)["models"]] == ["pets-one"]
    done = run(volume, "--model", "pets-old", "--model", "pets-one")
    assert "note: pets-old was not trained on pets as it is now" in done.stdout


def test_no_model(volume):
    publish(volume, "old", sha256="1" * 64)
    done = run(volume)
    assert done.returncode == 2
    assert "no published model of dataset 'pets' as it is now" in done.stderr
    assert "pets-old" in done.stderr


def test_unknown_model_and_dataset_list_the_known(volume):
    publish(volume, "one")
    assert "Known: pets-one" in run(volume, "--model", "pets-on").stderr
    assert "Known: pets" in run(volume, "--data", "pest").stderr


def test_a_model_that_breaks_the_contract(volume):
    path = publish(volume, "one")
    model = onnx.load(path)
    model.graph.output.append(model.graph.output[0])
    del model.graph.output[0]
    onnx.save(model, path)
    done = run(volume)
    assert done.returncode == 1
    assert "pets-one: outputs" in done.stderr


@pytest.mark.parametrize("word", ["1.5", "-0.1", "nan", "x", ""])
def test_max_gap_names_its_flag(word):
    with pytest.raises(UserError, match="--max-gap"):
        parity.parse_max_gap(word)
    assert parity.parse_max_gap("none") is None
