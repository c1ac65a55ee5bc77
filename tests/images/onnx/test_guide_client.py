"""The Python client of docs/guide.md, run as it stands there, on a model that the gate published."""

from __future__ import annotations

import subprocess
import sys

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
