"""predict-tf and train-tf from published weights: what is wrong is said at once, and a stand-in works as it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from isomer.volume import Volume

MODEL = "retinanet_mobilenet_v2_fpn128"
FILE = "mobilenetv2_ssd_i256_ckpt.tar.gz"


@pytest.fixture
def volume(tmp_path) -> Volume:
    return Volume(tmp_path / "data")


@pytest.fixture
def pictures(tmp_path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.radial_gradient("L").convert("RGB").resize((200, 120)).save(folder / "one.png")
    return folder


def predict(scripts: Path, root: Path, volume: Volume, *arguments: str, exit_code: int = 0) -> str:
    environment = os.environ | {"ISOMER_DATA": str(volume.root), "PYTHONPATH": str(root / "shared")}
    command = [sys.executable, str(scripts / "predict.py"), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == exit_code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_a_file_that_was_not_fetched(scripts, root, volume, pictures):
    said = predict(scripts, root, volume, "--weights", "coco", "--source", str(pictures), exit_code=2)
    assert str(volume.weights / FILE) in said
    assert f"https://storage.googleapis.com/tf_model_garden/vision/qat/mobilenetv2_ssd_coco/{FILE}" in said
    assert f"./inv weights --model {MODEL}" in said


@pytest.mark.slow
def test_a_stand_in_looks_at_pictures(scripts, root, volume, pictures, tmp_path):
    import stock

    prefix = stock.save(stock.detector(MODEL, 90), tmp_path / "ckpt-277200")
    volume.weights.mkdir(parents=True)
    with tarfile.open(volume.weights / FILE, "w:gz") as archive:
        for part in prefix.parent.glob(f"{prefix.name}.*"):
            archive.add(part, f"mobilenetv2_ssd_i256_ckpt/{part.name}")
    arguments = ("--weights", "coco", "--source", str(pictures), "--device", "cpu", "--threshold", "0.001")
    predict(scripts, root, volume, *arguments, "--classes", "person,dog")
    folder = volume.root / "predictions" / f"{MODEL}-coco"
    results = json.loads((folder / "detections.json").read_text())
    assert results
    assert {result["category_id"] for result in results} <= {1, 18}
    width, height = Image.open(folder / "one.png").size
    assert width * 120 == height * 200
    assert [path.name for path in volume.weights.iterdir()] == [FILE]
