"""evaluate on made-up models: their figures, their mistakes and how their names fit are known beforehand."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import detecting
import evaluate
import fixed_batch
import onnx
import pets
import pytest

from isomer.dataset import canonical
from isomer.errors import CheckFailed, UserError
from isomer.volume import Volume

DOG = pets.DOG
# moved by 8 of 40 pixels to either side: IoU 2/3 with the cat, 3/7 with each other
LEFT, RIGHT = (0.1, 0.02, 0.5, 0.42), (0.1, 0.18, 0.5, 0.58)
NOWHERE = (0.7, 0.05, 0.9, 0.25)
BESIDE = (0.1, 0.32, 0.5, 0.72)  # IoU 0.29 with the cat


@pytest.fixture
def volume(tmp_path) -> Volume:
    return pets.make(tmp_path)


@pytest.fixture
def run(volume, monkeypatch, capsys):
    """The script on the volume; what it said and what it wrote."""

    def call(*argv: str) -> tuple[str, dict]:
        monkeypatch.setenv("ISOMER_DATA", str(volume.root))
        monkeypatch.setattr(sys, "argv", ["evaluate", "--data", "pets", *argv])
        evaluate.main()
        return capsys.readouterr().out, read(volume)

    return call


def read(volume: Volume) -> dict:
    return json.loads((volume.reports / "pets" / "evaluation.json").read_text())


def kept(volume: Volume, model: str) -> Path:
    return volume.reports / "pets" / detecting.KEPT / f"{model}-test.jsonl"


def test_every_kind_of_mistake_by_construction(volume, run):
    more = ((DOG, "cat", 0.7), (RIGHT, "cat", 0.6), (NOWHERE, "cat", 0.5), (BESIDE, "dog", 0.45))
    pets.publish(volume, "one", cat=0, dog=0, more=((LEFT, "cat", 0.9), *more))
    out, report = run("--model", "pets-one")
    (model,) = report["models"]
    counts = {
        "right": 5,
        "missed": 0,  # the dog is hinted at
        "wrong class": 5,
        "poorly placed": 0,
        "wrong class, poorly placed": 5,
        "duplicate": 5,
        "background": 5,
    }
    assert model["mistakes"]["counts"] == counts
    # the cat stands first in every picture, the dog is never found: mended, the wrong class would find it
    assert model["metrics"]["AP50"] == pytest.approx(0.5)
    assert model["mistakes"]["gains"]["wrong class"] == pytest.approx(0.5)
    assert model["mistakes"]["gains"]["missed"] == 0
    assert model["metrics"]["precision"] == pytest.approx(5 / 25)
    assert model["metrics"]["recall"] == pytest.approx(5 / 10)
    assert model["best"]["F1"] == pytest.approx(2 * 5 / (5 + 10)) and 0.7 < model["best"]["score"] < 0.9
    assert {tuple(item) for item in model["metrics"]["confusion"]} == {
        ("cat", "cat", 5),
        ("dog", "cat", 5),
        (None, "cat", 10),
        (None, "dog", 5),
    }
    assert "no box left" in out and "nothing there" not in out  # what is beyond one for each box lies on a box, too
    assert "5 (+0.500)" in out and "2 by the same name: cat, dog" in out
    assert [item["mistakes"] for item in model["worst"]] == [5] * 5  # four wrong, one dog not found


def test_an_unreadable_picture_is_named_and_left_out_for_all(volume, run, capsys):
    pets.publish(volume, "one")
    pets.publish(volume, "two", dog=0.1)
    run("--model", "pets-one")
    dataset = canonical.load(volume.dataset("pets"))
    broken = dataset.split("test").pictures[1]
    dataset.split("test").path(broken).write_bytes(b"no picture")
    with pytest.raises(CheckFailed, match="1 pictures could not be read; the figures are of the others"):
        run("--model", "pets-one", "--model", "pets-two")
    out, report = capsys.readouterr().out, read(volume)
    assert out.count(f"left out: cannot read the picture {dataset.split('test').path(broken)}") == 1
    assert "Left out: cannot read" in (volume.reports / "pets" / "evaluation.html").read_text()
    assert report["images"] == 4 and len(report["left_out"]) == 1
    assert [model["metrics"]["recall"] for model in report["models"]] == [1, 0.5]


def test_names_are_matched_and_said(volume, run):
    pets.publish(volume, "one", classes=("Cats", "puppy", "owl"))
    out, report = run("--model", "pets-one", "--map", "puppy=dog")
    (model,) = report["models"]
    assert model["metrics"]["AP50"] == pytest.approx(1)
    assert "1 by --map: puppy is dog" in out and "1 by spelling: Cats is cat" in out
    assert "not in the dataset, so left out: owl" in out
    assert model["names"]["pairs"] == [["Cats", "cat", "spelling"], ["puppy", "dog", "given"]]


def test_a_class_that_a_model_does_not_know_counts_as_never_found(volume, run):
    pets.publish(volume, "one", classes=("cat", "owl"))
    out, report = run("--model", "pets-one")
    (model,) = report["models"]
    assert model["metrics"]["AP50"] == pytest.approx(0.5) and model["known"]["AP50"] == pytest.approx(1)
    assert model["mistakes"]["counts"]["missed"] == 5
    assert "not known to the model, so never found: dog" in out


def test_nothing_in_common_is_refused_with_both_lists(volume, run):
    pets.publish(volume, "one", classes=("lynx", "wolf"))
    with pytest.raises(UserError, match=r"pets-one knows none.*lynx, wolf.*cat, dog.*--map theirs=ours"):
        run("--model", "pets-one")
    with pytest.raises(UserError, match=r"unknown class of the dataset in --map 'dg'; did you mean 'dog'"):
        run("--model", "pets-one", "--map", "wolf=dg")
    with pytest.raises(UserError, match="unknown class of a model in --map 'bear'"):
        run("--model", "pets-one", "--map", "bear=dog")


def test_several_models_in_one_report(volume, run, tmp_path):
    pets.publish(volume, "good")
    pets.publish(volume, "bad", dog=0.1, channels="bgr")
    _, report = run("--model", "pets-good", "--model", "pets-bad", "--json", str(tmp_path / "all.json"))
    assert [model["name"] for model in report["models"]] == ["pets-good", "pets-bad"]
    assert [model["metrics"]["recall"] for model in report["models"]] == [1, 0.5]
    assert json.loads((tmp_path / "all.json").read_text()) == report
    page = (volume.reports / "pets" / "evaluation.html").read_text()
    assert "pets-good" in page and "pets-bad" in page and "What mistakes cost" in page
    _, report = run("--model", "pets-bad", "--threshold", "0.05")
    assert report["models"][0]["metrics"]["recall"] == 1


def test_a_model_for_batches_of_three(volume, run):
    path = pets.publish(volume, "one")
    model, _ = fixed_batch.fixed(onnx.load(path), 3)
    onnx.save(model, path)
    _, report = run("--model", str(path))
    assert report["models"][0]["metrics"]["AP50"] == pytest.approx(1)


def test_what_was_found_before_a_kill_is_kept(volume, run, monkeypatch):
    pets.publish(volume, "one")
    _, whole = run("--model", "pets-one")
    lines = kept(volume, "pets-one").read_bytes().splitlines(keepends=True)
    assert len(lines) == 1 + 5
    kept(volume, "pets-one").write_bytes(b"".join(lines[:3]) + lines[3][:20])
    seen = []
    detect = detecting.detect
    monkeypatch.setattr(detecting, "detect", lambda *args: seen.append(args[1].id) or detect(*args))
    out, again = run("--model", "pets-one")
    assert "2 pictures are done already" in out and seen == [3, 4, 5]
    assert again["models"] == whole["models"]
    assert kept(volume, "pets-one").read_bytes() == b"".join(lines)


def test_another_model_of_the_same_name_starts_anew(volume, run):
    pets.publish(volume, "one")
    run("--model", "pets-one")
    pets.publish(volume, "one", dog=0)
    out, report = run("--model", "pets-one")
    assert "done already" not in out
    assert report["models"][0]["metrics"]["recall"] == 0.5


def test_fewer_pictures_first(volume, run):
    pets.publish(volume, "one")
    _, report = run("--model", "pets-one", "--limit", "2")
    assert report["images"] == 2
    out, report = run("--model", "pets-one")
    assert report["images"] == 5 and "2 pictures are done already" in out


def test_what_cannot_be_measured_is_said(volume, run):
    path = pets.publish(volume, "one")
    with pytest.raises(UserError, match="the val split of dataset 'pets' is empty"):
        run("--model", "pets-one", "--split", "val")
    with pytest.raises(UserError, match=r"--model pets-on: no such file.*did you mean 'pets-one'"):
        run("--model", "pets-on")
    model = onnx.load(path)
    model.graph.output.append(model.graph.output[0])
    del model.graph.output[0]
    del model.metadata_props[:]
    onnx.save(model, volume.root / "mine.onnx")
    with pytest.raises(UserError, match=r"outputs: .*\./inv convert .*mine\.onnx --name mine"):
        run("--model", str(volume.root / "mine.onnx"))
    assert not (volume.reports / "pets").exists()
