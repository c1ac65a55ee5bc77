"""Export: a core with the promised interface, and native predictions of it."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from tiny import PICTURES, SIDE

from isomer import contract, files, native
from isomer.contract import Core

LARGER = 128  # pixels; the run's are SIDE


@pytest.fixture(scope="module")
def exported(image, trained):
    image.run("export", "--data", "tiny", "--device", "cpu")
    return trained


def test_core_onnx(exported):
    model = onnx.load(exported.core_onnx)
    onnx.checker.check_model(model, full_check=True)
    core = Core.from_json(json.loads(exported.core_json.read_text()))
    assert model.ir_version <= contract.IR_VERSION
    assert {entry.domain or "ai.onnx": entry.version for entry in model.opset_import} == {"ai.onnx": contract.OPSET}
    (images,) = model.graph.input
    assert images.name == contract.CORE_INPUT
    picture = [3, SIDE, SIDE] if core.layout == "NCHW" else [SIDE, SIDE, 3]
    assert _shape(images)[1:] == picture
    boxes, scores = model.graph.output
    assert (boxes.name, scores.name) == ("boxes", "scores")
    assert _shape(boxes)[2] == 4
    assert _shape(scores)[1:] == [_shape(boxes)[1], 1]
    for value in (images, boxes, scores):
        assert isinstance(_shape(value)[0], str), "the batch is frozen"
        assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT


def test_core_json(image, exported):
    core = Core.from_json(json.loads(exported.core_json.read_text()))
    assert core.framework == image.framework
    assert (core.height, core.width) == (SIDE, SIDE)
    assert core.classes == ("square",)
    assert core.core_sha256 == files.sha256_of_file(exported.core_onnx)
    assert core.provenance["weights_sha256"] == exported.record()["weights_sha256"]
    assert core.provenance["dataset_sha256"] == exported.config()["dataset_sha256"]
    assert all(isinstance(value, str) for value in core.provenance.values())


def test_native_predictions(exported):
    results = native.read_detections(exported)
    assert {result["image_id"] for result in results} <= set(range(1, PICTURES["test"] + 1))
    with np.load(exported.native / "probes.npz") as probes:
        boxes, scores = probes["300x300x5/raw_boxes"], probes["300x300x5/raw_scores"]
    assert boxes.shape[0] == scores.shape[0] == 5
    assert boxes.dtype == scores.dtype == np.float32
    assert 0 <= scores.min() <= scores.max() <= 1
    assert 0 <= boxes.min() <= boxes.max() <= 1
    assert (boxes[..., :2] <= boxes[..., 2:]).all()


def test_another_size_and_two_exports_are_the_same_bytes(image, exported):
    """The last of the file: it leaves the run's own export behind, byte for byte as it was."""
    own = exported.core_onnx.read_bytes(), exported.core_json.read_bytes()
    image.run("export", "--data", "tiny", "--device", "cpu", "--size", str(LARGER))
    core = Core.from_json(json.loads(exported.core_json.read_text()))
    assert (core.height, core.width) == (LARGER, LARGER)
    with np.load(exported.native / "probes.npz") as probes:
        anchors = probes["300x300x1/raw_scores"].shape[1]
    scores = onnx.load(exported.core_onnx).graph.output[1]
    assert _shape(scores)[1] == anchors, "the framework looked at pictures of the same size"
    image.run("export", "--data", "tiny", "--device", "cpu")
    assert (exported.core_onnx.read_bytes(), exported.core_json.read_bytes()) == own


def _shape(value: onnx.ValueInfoProto) -> list:
    return [dimension.dim_param or dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
