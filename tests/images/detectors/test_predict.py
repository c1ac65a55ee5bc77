"""Predict: pictures with drawn boxes and a COCO result file."""

from __future__ import annotations

import json

import numpy as np
from PIL import ExifTags, Image
from tiny import PICTURES


def test_the_test_split(image, trained):
    image.run("predict", "--data", "tiny", "--device", "cpu", "--threshold", "0.01")
    folder = trained.path / "predictions"
    results = json.loads((folder / "detections.json").read_text())
    assert results
    assert {result["category_id"] for result in results} == {1}
    assert all(0.01 < result["score"] <= 1 for result in results)
    pictures = sorted(folder.glob("*.png"))
    assert [path.name for path in pictures] == sorted(f"test-{number}.png" for number in range(PICTURES["test"]))
    drawn = np.asarray(Image.open(pictures[0]))
    assert np.ptp(drawn.astype(int), axis=2).max() > 100  # the frames are coloured; the square is not


def test_a_folder_and_a_limit(image, trained, tmp_path):
    for number in range(3):
        Image.new("RGB", (200, 120), (0, 0, 0)).save(tmp_path / f"{number}.jpg")
    (tmp_path / "notes.txt").write_text("not a picture")
    image.run("predict", "--data", "tiny", "--device", "cpu", "--source", str(tmp_path), "--limit", "2")
    names = sorted(path.name for path in (trained.path / "predictions").iterdir())
    assert names == ["0.jpg", "1.jpg", "detections.json"]


def test_no_such_picture(image, trained, tmp_path):
    output = image.run("predict", "--data", "tiny", "--source", str(tmp_path / "none.jpg"), exit_code=2)
    assert "none.jpg" in output


def test_untrained(image):
    output = image.run("predict", "--data", "never-trained", exit_code=2)
    assert "unknown run" in output


def test_a_photo_lying_on_its_side_is_turned(image, trained, tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (640, 480)).save(tmp_path / "phone.jpg", exif=exif)
    image.run("predict", "--data", "tiny", "--device", "cpu", "--source", str(tmp_path / "phone.jpg"))
    assert Image.open(trained.path / "predictions" / "phone.jpg").size == (480, 640)
