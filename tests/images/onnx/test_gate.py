"""The gate lets a sound model through, and blocks every fault that exports are known for."""

from __future__ import annotations

import json
import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
import toy
from onnx import helper, numpy_helper

from isomer.errors import CheckFailed, UserError
from isomer.graph import check, seal


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("flags", [(), ("--channels", "bgr"), ("--class-order", "triangle,circle,square")])
def test_sound_model_is_published(bench, layout, flags):
    bench.replace_core(toy.core_model(layout), layout=layout)
    bench.assemble(*flags)
    bench.gate()
    verdict = bench.verdict()
    assert verdict["passed"]
    assert {item["level"] for item in verdict["checks"]} == {1, 2, 3, 4, 5}
    assert verdict["metrics"]["onnx"]["mAP"] == pytest.approx(verdict["metrics"]["native"]["mAP"], abs=0.002)
    assert verdict["metrics"]["native"]["mAP"] > 0.3, "the truth was made from the detector's own boxes"
    model = onnx.load(bench.published)
    assert seal.digest(model) == seal.digest(onnx.load(bench.run.assembled_onnx))
    assert seal.is_intact(model) and check.check(model) == []
    assert json.loads(bench.published.with_suffix(".gate.json").read_text()) == verdict


def test_swapped_channels(bench):
    weights = toy.core_model()
    first = weights.graph.initializer[0]
    first.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(first)[:, ::-1].copy(), first.name))
    bench.replace_core(weights, mean=toy.MEAN[::-1], std=toy.STD[::-1])
    bench.assemble()
    bench.blocked("red and blue are swapped")


def test_wrong_mean(bench):
    bench.replace_core(toy.core_model(), mean=(0.0, 0.0, 0.0))
    bench.assemble()
    bench.blocked("raw scores: .* at probe")


def test_normalisation_that_is_known_is_named(bench, monkeypatch):
    sound = bench.run.native
    shutil.rmtree(sound)
    monkeypatch.setattr(toy, "MEAN", (127.5,) * 3)
    monkeypatch.setattr(toy, "STD", (127.5,) * 3)
    dataset = toy.canonical.load(bench.root / "datasets" / "noise")
    toy.native.write(bench.run, dataset.split("test"), toy.raw, toy.nms, "0" * 64)
    bench.assemble()
    bench.blocked("pixels of -1 to 1")


@pytest.mark.parametrize("shift", [1, -1])
def test_shifted_labels(bench, shift):
    bench.replace_core(toy.core_model(class_shift=shift))
    bench.assemble()
    bench.blocked(f"classes are shifted by {-shift}|classes are shifted by {shift}")


def test_boxes_as_x_y(bench):
    bench.replace_core(toy.core_model(box_order=(1, 0, 3, 2)))
    bench.assemble()
    bench.blocked("x and y are swapped")


def test_missing_sigmoid(bench):
    bench.replace_core(toy.core_model(sigmoid=False))
    bench.assemble()
    bench.blocked("sigmoid is put behind them")


def test_batch_normalisation_with_the_batch_s_statistics(bench):
    bench.replace_core(toy.core_model(training=True))
    bench.assemble()
    bench.blocked("training mode")


def test_batch_normalisation_in_training_mode(bench):
    bench.assemble()

    def train(model):
        position, conv = next((i, node) for i, node in enumerate(model.graph.node) if node.op_type == "Conv")
        output, conv.output[0] = conv.output[0], "before"
        ones = numpy_helper.from_array(np.ones(toy.FILTERS, np.float32), "ones")
        model.graph.initializer.append(ones)
        outputs = [output, "mean_now", "variance_now"]
        node = helper.make_node("BatchNormalization", ["before", *["ones"] * 4], outputs, training_mode=1)
        model.graph.node.insert(position + 1, node)

    bench.change_assembled(train)
    bench.blocked("BatchNormalization in training mode")


def test_core_with_a_fixed_batch_is_not_assembled(bench):
    bench.replace_core(toy.core_model(batch=1))
    with pytest.raises(CheckFailed, match="batch fixed to 1"):
        bench.assemble()
    assert not bench.run.assembled_onnx.exists()


def test_batch_frozen_to_one(bench):
    bench.assemble()
    bench.change_assembled(lambda model: _fix(model, axis=0, size=1))
    bench.blocked("batch is fixed to 1")


def test_batch_frozen_inside(bench):
    model = toy.core_model()
    shape = next(item for item in model.graph.initializer if item.data_type == onnx.TensorProto.INT64)
    shape.CopyFrom(numpy_helper.from_array(np.array([1, toy.ANCHORS, 7], np.int64), shape.name))
    del model.graph.output[:]
    for name, last in (("boxes", 4), ("scores", 3)):
        dims = ["batch", toy.ANCHORS, last]
        model.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, dims))
    bench.replace_core(model)
    bench.assemble()
    bench.blocked("batch is frozen inside")


def test_fixed_frame_size(bench):
    bench.assemble()
    bench.change_assembled(lambda model: _fix(model, axis=1, size=300))
    bench.blocked("height is fixed to 300")


def test_wrong_opset(bench):
    bench.assemble()

    def older(model):
        model.opset_import[0].version = 17

    bench.change_assembled(older)
    bench.blocked("opset: 17 where 18 is asked for")


def test_outputs_in_another_order(bench):
    bench.assemble()

    def turn(model):
        outputs = list(model.graph.output)[::-1]
        del model.graph.output[:]
        model.graph.output.extend(outputs)

    bench.change_assembled(turn)
    bench.blocked("the right outputs in another order")


def test_scalar_num_detections(bench):
    bench.assemble()

    def squeeze(model):
        count = model.graph.output[3]
        node = next(node for node in model.graph.node if count.name in node.output)
        node.output[0] = "counts"
        model.graph.node.append(helper.make_node("ReduceMax", ["counts"], [count.name], keepdims=0))
        count.CopyFrom(helper.make_tensor_value_info(count.name, onnx.TensorProto.FLOAT, []))

    bench.change_assembled(squeeze)
    bench.blocked("a scalar, where clients read")


def test_external_data(bench):
    bench.assemble()
    model = onnx.load(bench.run.assembled_onnx)
    onnx.save(model, bench.run.assembled_onnx, save_as_external_data=True, location="weights.bin", size_threshold=0)
    bench.blocked("weights.bin")


def test_tail_with_another_overlap(bench):
    """A fault of the tail: the raw outputs agree, only the detections tell."""
    bench.assemble()

    def allow_more_overlap(model):
        model.graph.initializer.append(numpy_helper.from_array(np.array([0.3], np.float32), "more"))
        node = next(node for node in model.graph.node if node.op_type == "NonMaxSuppression")
        model.graph.node.insert(0, helper.make_node("Add", [node.input[3], "more"], ["overlap"]))
        node.input[3] = "overlap"

    bench.change_assembled(allow_more_overlap)
    bench.blocked("detections unmatched: first at picture")
    assert [item["passed"] for item in bench.verdict()["checks"] if item["level"] == 2] == [True, True]


def test_native_predictions_of_other_weights(bench):
    bench.assemble()
    path = bench.run.native / "native.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps(about | {"weights_sha256": "f" * 64}))
    with pytest.raises(CheckFailed, match=r"native predictions' weights changed .* export again"):
        bench.gate()
    assert not bench.published.exists()


def test_pictures_that_changed_since_export(bench):
    bench.assemble()
    pictures = bench.root / "datasets" / "noise" / "images"
    shutil.copy(pictures / "0.png", pictures / "2.png")
    bench.blocked("other pixels")


def test_unknown_class_order(bench):
    with pytest.raises(UserError, match="unknown: cube; missing: triangle"):
        bench.assemble("--class-order", "cube,circle,square")


def test_run_without_export(bench):
    bench.run.core_json.unlink()
    with pytest.raises(UserError, match="export it first"):
        bench.assemble()


def test_bgr_model_sees_the_same_picture(bench):
    """BGR pixels into a BGR model give what RGB pixels give in an RGB model."""
    pixels = np.random.default_rng(0).integers(0, 256, (1, 50, 70, 3), dtype=np.uint8)
    outputs = []
    for channels, taken in (("rgb", pixels), ("bgr", pixels[..., ::-1].copy())):
        bench.assemble("--channels", channels)
        session = onnxruntime.InferenceSession(bench.run.assembled_onnx, providers=["CPUExecutionProvider"])
        outputs.append(session.run(None, {"image": taken}))
    for rgb, bgr in zip(*outputs, strict=True):
        np.testing.assert_allclose(bgr, rgb, atol=1e-5)
    assert outputs[0][3][0] > 0


def _fix(model: onnx.ModelProto, axis: int, size: int) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = size
