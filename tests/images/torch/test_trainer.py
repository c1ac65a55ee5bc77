"""Training's own errors."""

from __future__ import annotations

import data
import numpy as np
import pytest
import trainer
from PIL import Image
from recipe import Recipe

from isomer.dataset import canonical
from isomer.dataset.canonical import Box, Picture
from isomer.errors import UserError
from isomer.flags import Train
from isomer.run import start_or_resume
from isomer.training import Plan
from isomer.volume import Volume

OPTIONS = Train(data="few", model="ssdlite320_mobilenet_v3_large", size=96, steps=2, batch=4, workers=1, device="cpu")


def test_picture_that_a_loader_process_cannot_read_is_named_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "IN_MEMORY_BYTES", 0)
    dataset = _dataset(tmp_path)
    (dataset.folder / "images" / "train-2.png").write_bytes(b"spoilt")
    with pytest.raises(UserError, match=r"train-2\.png") as error:
        _train(tmp_path, dataset, Recipe())
    assert "\n" not in str(error.value)
    assert "Traceback" not in str(error.value)


def test_loss_that_is_no_number_ends_the_run(tmp_path):
    dataset = _dataset(tmp_path)
    with pytest.raises(UserError, match="lower --lr"):
        _train(tmp_path, dataset, Recipe(lr=1e30))


def _dataset(root) -> canonical.Dataset:
    folder = root / "datasets" / "few"
    rng = np.random.default_rng(0)
    splits = {}
    for split, count in (("train", 4), ("val", 1)):
        for number in range(count):
            path = folder / "images" / f"{split}-{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
        pictures = (Picture(0, f"{split}-{number}.png", 64, 64, (Box(1, 10, 10, 30, 30),)) for number in range(count))
        splits[split] = tuple(pictures)
    return canonical.write(folder, ("thing",), splits, {})


def _train(root, dataset: canonical.Dataset, recipe: Recipe) -> None:
    run = start_or_resume(Volume(root), dataset, OPTIONS, "torch", {})
    train, val = dataset.split("train"), dataset.split("val")
    trainer.train(run, dataset, train, val, OPTIONS, Plan.of(OPTIONS, len(train.pictures)), recipe)
