"""The guide walked on small data: its commands, from labelled pictures to proved models, and every notebook's cells."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import guides
import pytest

from launcher import notebook
from launcher.engines import venv

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
PARAMETERS = {
    'DATA, SIZE, STEPS = "shapes", 160, 380': 'DATA, SIZE, STEPS = "drawn", 96, 2',
    'MODEL, DATA = "shapes-torch", "shapes"': 'MODEL, DATA = "mine-torch", "mine"',
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


@pytest.fixture(scope="module")
def walked(inv, labelled, root) -> Path:
    """The data volume at the end of the road."""
    text = (root / "docs" / "guide.md").read_text()
    road = [words for words in guides.commands_of(text[text.index("\n## 3. ") :]) if words[0] not in LEFT_OUT]
    assert len(road) >= 14
    for words in road:
        inv(*small(words, labelled, inv.data))
    return inv.data


@pytest.mark.slow
def test_the_road(walked):
    for name in (
        "models/mine-torch.onnx",
        "models/mine-tf.onnx",
        "reports/mine/index.html",
        "reports/mine/dataset.html",
    ):
        assert (walked / name).is_file(), name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("image", "told"), [("torch", "step 2: mAP"), ("tf", "step 2: mAP"), ("onnx", "isomer.classes")]
)
def test_every_cell_of_a_notebook(walked, tmp_path, root, image, told):
    if os.environ.get("ISOMER_TEST_ENGINE") == "docker":
        pytest.skip("the cells are executed in virtual environments")
    text = notebook.source(image).read_text()
    for line, other in PARAMETERS.items():
        text = text.replace(line, other)
    source = tmp_path / notebook.source(image).name
    source.write_text(text)
    assert [line for line in PARAMETERS.values() if line in text] != [], "the parameters are called otherwise"
    done = subprocess.run(
        [
            *(str(venv.folder(image) / "bin" / "python"), str(root / "tests" / "execute_notebook.py")),
            *(str(venv.tool("notebook", notebook.LOCK)), image, str(source)),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ISOMER_DATA": str(walked), "PYTHONPATH": str(root / "shared")},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert told in done.stdout
