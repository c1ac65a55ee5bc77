"""convert's second step as the verb runs it, after identification; and what it made, by ONNX itself."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from converting import making, opening, tflite
from onnx.reference import ReferenceEvaluator

from isomer import files, native
from isomer.contract import CORE_INPUT, Core, Whole
from isomer.converting import begin, reference, source
from isomer.converting.resizing import prepare
from isomer.converting.source import KINDS, Source
from isomer.dataset import canonical
from isomer.run import RunFolder
from isomer.volume import Volume

SIZE = (64, 96)  # of all networks, and of the probes


@pytest.fixture
def volume(tmp_path, monkeypatch) -> Volume:
    """A data volume, and fewer pictures than a real conversion looks at."""
    monkeypatch.setenv("ISOMER_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(native, "PROBE_SIZES", (SIZE, (50, 70)))
    monkeypatch.setattr(native, "PROBE_BATCHES", (1, 2))
    monkeypatch.setattr(reference, "DRAWN", 2)
    return Volume(tmp_path / "data")


def convert(volume: Volume, kind: str, path: Path, *flags: str) -> RunFolder:
    """As the verb does it, after the model was identified."""
    run = RunFolder(volume.runs / "made")
    run.path.mkdir(parents=True, exist_ok=True)
    files.write_json(run.path / "config.json", {"framework": "tf", "data": None, "converted": True})
    digest, size = source.digest(source.members(path))
    source.write(run, Source(kind, KINDS[kind], str(path), str(path), path.name, digest, size))
    conversion = begin([str(path), "--name", "made", *flags])
    if kind == "tflite":
        tflite.convert(conversion)
    else:
        making.convert(conversion, opening.open_source(conversion))
    return run


def core_of(run: RunFolder) -> Core:
    return Core.from_json(json.loads(run.core_json.read_text()))


def whole_of(run: RunFolder) -> Whole:
    return Whole.from_json(json.loads(run.whole_json.read_text()))


def same_as_native(run: RunFolder, atol: float = 1e-4, on_the_mean: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Boxes and scores of the framework on the probes of two pictures, which the core in ONNX gives too."""
    model = onnx.load(run.core_onnx)
    onnx.checker.check_model(model, full_check=True)
    model.opset_import[0].version = 19  # the reference has no quantisation of 18, which is the same
    about = core_of(run)
    dataset = canonical.load(run.path / reference.FOLDER)
    with np.load(run.native / "probes.npz") as probes:
        for probe in native.probes(reference.split_of(dataset)):
            name = probe.name
            images, placed = zip(*(prepare(one, about) for one in probe.pixels), strict=True)
            boxes, scores = ReferenceEvaluator(model).run(None, {CORE_INPUT: np.stack(images)})
            if about.resize.mode == "letterbox":
                boxes = np.stack([one.boxes_in_picture(each) for one, each in zip(placed, boxes, strict=True)])
            wanted = probes[f"{name}/raw_boxes"], probes[f"{name}/raw_scores"]
            for one, other in zip((boxes, scores), wanted, strict=True):
                if on_the_mean:
                    assert one.shape == other.shape and np.abs(one - other).mean() < atol
                else:
                    np.testing.assert_allclose(one, other, atol=atol)
    return wanted
