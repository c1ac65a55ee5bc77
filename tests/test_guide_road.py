"""The commands of docs/guide.md one after the other, on small data, from labelled pictures to proved models."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import guides
import pytest

# They need a network, serve until Ctrl-C, or want a file that is the reader's own.
LEFT_OUT = ("weights", "data-download", "convert", "tensorboard", "play")
# What a reader would have: time to train, fetched weights, another dataset; flags with any value, or with that one.
SMALL = {
    "--epochs": "--steps 2",
    "--weights": "--weights none",
    "--model retinanet_mobilenet_v2_fpn128": "--model retinanet_mobilenet_v2_fpnlite",
    "--data people": "--data mine",
}
MORE = {
    "train-torch": ("--size", "96", "--batch", "4", "--workers", "0"),
    "train-tf": ("--size", "96", "--batch", "4", "--workers", "0"),
    "benchmark": ("--seconds", "0.05", "--batches", "1", "--threads", "1", "--size", "96"),
}
# Two steps teach nothing: of these the answer may be no.
MAY_SAY_NO = ("parity", "check")


@pytest.fixture(scope="module")
def inv(root, tmp_path_factory):
    """Runs a verb with a data volume of its own; the exit code must be 0, or 1 where the answer may be no."""
    data = tmp_path_factory.mktemp("road") / "data"

    def run(verb: str, *words: str) -> None:
        done = subprocess.run(
            [str(root / "inv"), verb, *words],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "ISOMER_DATA": str(data), "ISOMER_ENGINE": os.environ.get("ISOMER_TEST_ENGINE", "venv")},
        )
        allowed = (0, 1) if verb in MAY_SAY_NO else (0,)
        assert done.returncode in allowed, f"{verb} {' '.join(words)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"

    run.data = data
    return run


@pytest.fixture(scope="module")
def labelled(inv, tmp_path_factory) -> Path:
    """A folder of drawn pictures whose shapes are called person, man and woman, as the guide's classes are."""
    folder = tmp_path_factory.mktemp("labelled") / "coco"
    inv("data-make", "shapes", "--name", "drawn", "--train", "24", "--val", "4", "--test", "6")
    inv("data-export", "--data", "drawn", "--format", "coco", "--to", str(folder))
    for path in folder.rglob("*.json"):
        text = path.read_text()
        for old, new in (("circle", "person"), ("square", "man"), ("triangle", "woman")):
            text = text.replace(f'"{old}"', f'"{new}"')
        path.write_text(text)
    return folder


def small(words: list[str], labelled: Path, data: Path) -> list[str]:
    """A command of the guide for small data."""
    places = {"PATH": str(labelled), "FOLDER": str(data / "datasets" / "mine" / "images")}
    line = " ".join(places.get(word, word.replace("data/", f"{data}/")) for word in words) + " "
    for old, new in SMALL.items():
        line = re.sub(rf"{old} {r'' if ' ' in old else r'[^ ]+ '}", f"{new} ", line)
    return [*line.split(), *MORE.get(words[0], ())]


@pytest.mark.slow
def test_the_road(inv, labelled, root):
    text = (root / "docs" / "guide.md").read_text()
    road = [words for words in guides.commands_of(text[text.index("\n## 3. ") :]) if words[0] not in LEFT_OUT]
    assert len(road) >= 14
    for words in road:
        inv(*small(words, labelled, inv.data))
    for name in (
        "models/mine-torch.onnx",
        "models/mine-tf.onnx",
        "reports/mine/index.html",
        "reports/mine/dataset.html",
    ):
        assert (inv.data / name).is_file(), name
