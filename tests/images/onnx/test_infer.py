"""infer on pictures: what it writes is what ONNX Runtime says of the same pixels; what it refuses, and says."""

from __future__ import annotations

import csv
import json
import shutil
import sys

import infer
import numpy as np
import onnxruntime
import pytest
from conftest import Bench
from PIL import Image
from toy import CLASSES

from isomer.errors import CheckFailed, UserError

PUBLISHED = 0.9  # the models' own threshold: the toy finds a hundred things above the usual one


@pytest.fixture(scope="module")
def volume(exported, tmp_path_factory):
    """A data volume with the toy detector, the same for BGR, and the same for two pictures at a time."""
    root = tmp_path_factory.mktemp("infer") / "volume"
    shutil.copytree(exported, root)
    (root / "models").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        bench = Bench(root, patch)
        for name, flags in (("toy-run", ()), ("toy-bgr", ("--channels", "bgr")), ("toy-two", ("--batch", "2"))):
            bench.assemble("--score-threshold", str(PUBLISHED), *flags)
            shutil.copy(bench.run.assembled_onnx, root / "models" / f"{name}.onnx")
    return root


@pytest.fixture
def pictures(volume):
    return volume / "datasets" / "noise" / "images"


@pytest.fixture
def run(volume, monkeypatch):
    """Runs infer; gives the folder that it wrote."""
    monkeypatch.setenv("ISOMER_DATA", str(volume))
    shutil.rmtree(volume / "predictions", ignore_errors=True)

    def call(*words, name="out"):
        monkeypatch.setattr(sys, "argv", ["infer", "--name", name, *map(str, words)])
        infer.main()
        return volume / "predictions" / name

    return call


def truth(volume, path):
    """Boxes (x, y, width, height in pixels), classes and scores by ONNX Runtime alone."""
    session = onnxruntime.InferenceSession(volume / "models" / "toy-run.onnx")
    pixels = np.asarray(Image.open(path).convert("RGB"))
    boxes, classes, scores, count = (output[0] for output in session.run(None, {"image": pixels[None]}))
    rows = range(int(count))
    ymin, xmin, ymax, xmax = boxes[rows].T * np.array([pixels.shape[0], pixels.shape[1]] * 2)[:, None]
    return np.stack([xmin, ymin, xmax - xmin, ymax - ymin], 1), classes[rows], scores[rows]


def frames(folder):
    return json.loads((folder / "detections.json").read_text())["frames"]


def test_what_is_written_is_what_the_model_says(run, volume, pictures):
    folder = run("--model", "toy-run", "--source", pictures)
    found = frames(folder)
    assert [frame["file_name"] for frame in found] == sorted(path.name for path in pictures.iterdir())
    for frame in found:
        boxes, classes, scores = truth(volume, pictures / frame["file_name"])
        assert len(scores) > 0
        assert np.allclose([row["bbox"] for row in frame["detections"]], boxes, atol=1e-3)
        assert [row["category_id"] for row in frame["detections"]] == classes.tolist()
        assert [row["class"] for row in frame["detections"]] == [CLASSES[int(number) - 1] for number in classes]
        assert np.allclose([row["score"] for row in frame["detections"]], scores, atol=1e-6)
        with Image.open(folder / frame["file_name"]) as drawn, Image.open(pictures / frame["file_name"]) as own:
            assert drawn.width % own.width == 0  # small pictures are enlarged


def same_scores(one, other, tolerance=1e-5):
    """Whether two results have the same scores, picture by picture."""
    scores = [[[row["score"] for row in frame["detections"]] for frame in frames(folder)] for folder in (one, other)]
    return all(np.allclose(*pair, atol=tolerance) for pair in zip(*scores, strict=True))


def test_batches_change_nothing(run, pictures, tmp_path):
    for number, path in enumerate(sorted(pictures.iterdir())[:5]):
        Image.open(path).resize((64, 48)).save(tmp_path / f"{number}.png")
    one = run("--model", "toy-run", "--source", tmp_path, name="one")
    assert same_scores(one, run("--model", "toy-run", "--source", tmp_path, "--batch", 4, name="four"))
    assert same_scores(one, run("--model", "toy-two", "--source", tmp_path, "--batch", 3, name="fixed"))


def test_a_model_for_bgr_finds_the_same(run, pictures):
    rgb, bgr = (run("--model", name, "--source", pictures, name=name) for name in ("toy-run", "toy-bgr"))
    assert same_scores(rgb, bgr, 1e-4)


def test_thresholds_and_classes(run, pictures):
    def found(*words):
        return frames(run("--model", "toy-run", "--source", pictures / "3.png", *words))[0]["detections"]

    usual, low, high = found(), found("--threshold", 0.8), found("--threshold", 0.95)
    assert len(low) > len(usual) > len(high) > 0
    assert [row for row in low if row["score"] > PUBLISHED] == usual
    assert [row for row in usual if row["score"] > 0.95] == high
    names = {row["class"] for row in low}
    assert len(names) > 1
    for name in names:
        assert found("--threshold", 0.8, "--classes", name) == [row for row in low if row["class"] == name]


def test_coco_and_csv_say_the_same(run, pictures):
    folder = run("--model", "toy-run", "--source", pictures, "--format", "json,coco,csv")
    rows = [row | {"file": frame["file_name"]} for frame in frames(folder) for row in frame["detections"]]
    coco = json.loads((folder / "coco.json").read_text())
    names = {image["id"]: image["file_name"] for image in coco["images"]}
    assert [names[one["image_id"]] for one in coco["annotations"]] == [row["file"] for row in rows]
    assert [one["bbox"] for one in coco["annotations"]] == [row["bbox"] for row in rows]
    assert [category["name"] for category in coco["categories"]] == list(CLASSES)
    with (folder / "detections.csv").open(newline="") as stream:
        table = list(csv.DictReader(stream))
    assert [line["class"] for line in table] == [row["class"] for row in rows]
    assert all(
        abs(float(line["xmax"]) - row["bbox"][0] - row["bbox"][2]) < 0.01 for line, row in zip(table, rows, strict=True)
    )


def test_several_models_stand_side_by_side(run, pictures):
    folder = run("--model", "toy-run", "--model", "toy-bgr", "--source", pictures / "3.png", "--format", "json,coco")
    (alone,) = (run("--model", "toy-run", "--source", pictures / "3.png", name="one") / "3.png",)
    with Image.open(folder / "3.png") as both, Image.open(alone) as one:
        assert both.width == 2 * one.width and both.height > one.height
        bar = both.height - one.height
        assert both.crop((0, bar, one.width, both.height)).tobytes() == one.convert("RGB").tobytes()
    assert {row["model"] for row in frames(folder)[0]["detections"]} == {"toy-run", "toy-bgr"}
    assert sorted(path.name for path in folder.glob("*coco.json")) == ["toy-bgr.coco.json", "toy-run.coco.json"]


def test_crops_are_what_the_boxes_cover(run, pictures):
    folder = run("--model", "toy-run", "--source", pictures / "3.png", "--crops")
    (frame,) = frames(folder)
    crops = sorted((folder / "crops").rglob("*.jpg"))
    assert len(crops) == len(frame["detections"])
    for number, row in enumerate(frame["detections"], 1):
        with Image.open(folder / "crops" / row["class"] / f"3-{number}.jpg") as crop:
            assert abs(crop.width - row["bbox"][2]) <= 2 and abs(crop.height - row["bbox"][3]) <= 2


def test_crops_of_pictures_that_differ_in_their_suffix_alone(run, pictures, tmp_path):
    with Image.open(pictures / "3.png") as own:
        own.save(tmp_path / "3.png")
        own.save(tmp_path / "3.bmp")
    folder = run("--model", "toy-run", "--source", tmp_path, "--crops")
    crops = list((folder / "crops").rglob("*.jpg"))
    assert len(crops) == sum(len(frame["detections"]) for frame in frames(folder)) > 0


def test_an_unreadable_picture_is_named_and_the_rest_goes_on(run, volume, pictures, tmp_path):
    shutil.copytree(pictures, tmp_path, dirs_exist_ok=True)
    (tmp_path / "1.png").write_bytes((tmp_path / "1.png").read_bytes()[:200])
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(CheckFailed, match=r"1\.png.*text\.jpg is no picture"):
        run("--model", "toy-run", "--source", tmp_path)
    found = json.loads((volume / "predictions" / "out" / "detections.json").read_text())
    assert [frame["file_name"] for frame in found["frames"]] == ["0.png", "2.png", "3.png", "4.png", "5.png"]
    assert len(found["summary"]["problems"]) == 2


def test_what_lies_in_a_folder_besides_its_pictures(run, pictures, tmp_path):
    (tmp_path / "deep").mkdir()
    shutil.copy(pictures / "3.png", tmp_path / "deep" / "a.png")
    with pytest.raises(UserError, match=r"holds no picture.*1 are in folders inside it"):
        run("--model", "toy-run", "--source", tmp_path)
    shutil.copy(pictures / "3.png", tmp_path / "b.png")
    (tmp_path / "._b.png").write_bytes(b"\0\5\x16\7")
    (tmp_path / "folder.png").mkdir()
    (frame,) = frames(run("--model", "toy-run", "--source", tmp_path))
    assert frame["file_name"] == "b.png"


def test_pictures_are_turned_upright(run, pictures, tmp_path):
    with Image.open(pictures / "3.png") as own:
        exif = own.getexif()
        exif[0x0112] = 6  # turn by 90 degrees clockwise
        own.save(tmp_path / "turned.png", exif=exif)
        size = own.size
    (frame,) = frames(run("--model", "toy-run", "--source", tmp_path / "turned.png"))
    assert (frame["height"], frame["width"]) == size


def test_programs_read_what_was_found_and_the_summary(run, pictures, tmp_path, capsys):
    words = ("--model", "toy-run", "--source", pictures, "--format", "csv", "--limit", 2)
    folder = run(*words, "--json", tmp_path / "all.json")
    assert "detections above" in capsys.readouterr().out
    run(*words, "--json", name="again")
    captured = capsys.readouterr()
    assert "detections above" in captured.err
    found, again = json.loads((tmp_path / "all.json").read_text()), json.loads(captured.out)
    assert found["frames"] == again["frames"] == frames(folder) and len(again["frames"]) == 2
    summary = found["summary"]
    assert summary["frames"] == 2 and summary["frames_per_s"] > 0
    latency = summary["models"][0]["latency_ms"]
    assert 0 < latency["p50"] <= latency["p95"] and summary["models"][0]["provider"] == "CPU"


@pytest.mark.parametrize(
    ("words", "saying"),
    [
        (("--model", "toy-rum", "--source", "."), "did you mean 'toy-run'"),
        (("--model", "toy-run", "--source", "nowhere.mp4"), "there is no such file"),
        (("--model", "toy-run", "--source", "nowhere.mp4", "--format", "xml"), "Known: coco, csv, json"),
        (("--model", "toy-run", "--source", ".", "--classes", "squire"), "did you mean 'square'"),
        (("--model", "toy-run", "--source", "97"), "no camera /dev/video97"),
        (("--model", "toy-run", "--source", "gopher://x/y"), "addresses begin with"),
        (("--model", "toy-run", "--source", "rtsp://127.0.0.1:9/x"), "refused"),
        (("--model", "toy-run", "--source", "http://127.0.0.1:9/x"), "cannot be reached"),
    ],
)
def test_what_is_refused(run, volume, words, saying):
    with pytest.raises(UserError, match=saying):
        run(*words)
    assert not (volume / "predictions").exists()


def test_a_model_that_is_not_under_the_contract(run, volume, pictures):
    core = volume / "runs" / "toy-run" / "core.onnx"
    with pytest.raises(UserError, match=r"'images': float32 where uint8.*\./inv convert .*core\.onnx --name core"):
        run("--model", core, "--source", pictures)


def test_an_empty_folder(run, volume, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no picture"):
        run("--model", "toy-run", "--source", tmp_path / "empty")


def test_no_screen(run, pictures, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match="--show: there is no screen"):
        run("--model", "toy-run", "--source", pictures, "--show")
