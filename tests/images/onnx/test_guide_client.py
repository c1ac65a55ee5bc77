"""The clients of docs/guide.md, run as they stand there, on a model that the gate published."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import guides
import numpy as np
import onnxruntime
import pytest
from PIL import Image


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_it_says_and_draws_what_the_model_finds(bench, tmp_path, root, channels):
    bench.assemble("--channels", channels, "--score-threshold", "0.05")
    bench.gate()
    client = guides.titled(root / "docs" / "guide.md", "client.py")
    assert len([line for line in client.splitlines() if line]) <= 30
    (tmp_path / "client.py").write_text(client)
    picture = next((bench.root / "datasets" / "noise" / "images").glob("*.png"))
    argv = [sys.executable, tmp_path / "client.py", bench.published, picture, tmp_path / "out.png"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)

    image = Image.open(picture).convert("RGB")
    pixels = np.asarray(image)[None, ..., :: -1 if channels == "bgr" else 1]
    session = onnxruntime.InferenceSession(bench.published, providers=["CPUExecutionProvider"])
    boxes, _, scores, count = session.run(None, {"image": np.ascontiguousarray(pixels)})
    lines = done.stdout.splitlines()
    assert len(lines) == int(count[0]) > 0
    top, left, *_ = boxes[0, 0]
    assert f"{scores[0, 0]:.2f} at {left * image.width:.0f}, {top * image.height:.0f} to " in lines[0]
    assert lines[0].split()[0] in ("circle", "square", "triangle")
    assert Image.open(tmp_path / "out.png").size == image.size


@pytest.fixture
def headers() -> Path:
    """ONNX Runtime's headers for C++, which its wheels do not hold."""
    folder = Path(os.environ.get("ONNXRUNTIME_INCLUDE", "/usr/include/onnxruntime"))
    if not shutil.which("g++") or not (folder / "onnxruntime_cxx_api.h").is_file():
        pytest.skip(f"no g++, or no onnxruntime_cxx_api.h in {folder} (ONNXRUNTIME_INCLUDE)")
    return folder


def test_the_cpp_client_finds_the_same(bench, tmp_path, root, headers):
    bench.assemble("--score-threshold", "0.05")
    bench.gate()
    (tmp_path / "client.cpp").write_text(guides.titled(root / "docs" / "guide.md", "client.cpp"))
    library = next((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"))
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
        (tmp_path / name).symlink_to(library)
    compiler = ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "client.cpp", f"-isystem{headers}", f"-L{tmp_path}"]
    subprocess.run([*compiler, "-lonnxruntime", f"-Wl,-rpath,{tmp_path}", "-o", "client"], cwd=tmp_path, check=True)

    picture = next((bench.root / "datasets" / "noise" / "images").glob("*.png"))
    image = Image.open(picture).convert("RGB")
    image.save(tmp_path / "picture.ppm")
    command = [tmp_path / "client", bench.published, tmp_path / "picture.ppm"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    session = onnxruntime.InferenceSession(bench.published, providers=["CPUExecutionProvider"])
    boxes, classes, scores, count = session.run(None, {"image": np.asarray(image)[None]})
    assert len(lines) == int(count[0]) > 0
    for line, box, number, score in zip(lines, boxes[0], classes[0], scores[0], strict=False):
        words = line.replace(",", "").split()
        assert words[1] == str(int(number))
        top, left, bottom, right = box * [image.height, image.width, image.height, image.width]
        found = [float(words[place]) for place in (2, 4, 5, 7, 8)]
        assert found == pytest.approx([score, left, top, right, bottom], abs=0.02)
