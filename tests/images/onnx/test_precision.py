"""Smaller cores: folded, in half precision, in 8 bits, for a fixed batch; each goes through the gate of its own."""

from __future__ import annotations

import collections
import json

import levels
import numpy as np
import onnx
import onnxruntime
import optimise
import pytest
import quantise
import toy

from isomer.errors import UserError
from isomer.graph import check
from isomer.graph.parts import with_raw_outputs


def operators(model: onnx.ModelProto) -> collections.Counter:
    return collections.Counter(node.op_type for node in model.graph.node)


def outputs(model: onnx.ModelProto, **inputs: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


IMAGES = np.random.default_rng(0).normal(size=(3, 3, toy.SIZE, toy.SIZE)).astype(np.float32)


def test_folding_leaves_the_outputs_and_standard_operators():
    core = toy.core_model()
    made = optimise.fused(core)
    assert operators(core)["BatchNormalization"] == 1 and operators(made)["BatchNormalization"] == 0
    assert {node.domain for node in made.graph.node} <= {"", "ai.onnx"}
    assert [(item.domain, item.version) for item in made.opset_import] == [("", 18)] and made.ir_version == 8
    for ours, theirs in zip(outputs(made, images=IMAGES), outputs(core, images=IMAGES), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("precision", "kind", "quality"),
    [("fp16", onnx.TensorProto.FLOAT16, 0.003), ("int8", onnx.TensorProto.INT8, 0.01)],
)
def test_weights_in_another_precision_and_its_own_limits(bench, precision, kind, quality):
    bench.assemble("--precision", precision)
    model = onnx.load(bench.run.assembled_onnx.with_stem(f"assembled-{precision}"))
    assert any(tensor.data_type == kind for tensor in model.graph.initializer)
    assert levels.limits(model).quality == quality and not levels.limits(model).largest
    bench.assemble()
    pixels = np.random.default_rng(0).integers(0, 256, (2, 40, 50, 3), dtype=np.uint8)
    raw = [outputs(with_raw_outputs(one), image=pixels)[4:] for one in (model, onnx.load(bench.run.assembled_onnx))]
    for ours, theirs in zip(*raw, strict=True):
        assert 0 < np.abs(ours - theirs).mean() <= levels.limits(model).raw


def test_a_smaller_precision_is_published_beside_the_run_s_own_model(bench):
    bench.assemble()
    bench.gate()
    bench.assemble("--precision", "int8")
    bench.gate("--precision", "int8")
    published = bench.published.with_stem("toy-run-int8")
    model = onnx.load(published)
    assert check.metadata(model)["precision"] == "int8" and check.metadata(model)["model"] == published.stem
    verdict = json.loads(published.with_suffix(".gate.json").read_text())
    limits = {item["name"]: item["limit"] for item in verdict["checks"]}
    assert limits["mAP"] == 0.01 and "raw boxes, mean" in limits
    assert bench.published.is_file() and bench.run.gate_json.is_file(), "the float32 model is still there"


def test_layers_that_cannot_bear_it_stay_in_float(tmp_path):
    """With a loss that only one layer's rounding causes, that layer is found and left in float."""
    dataset = toy.make_dataset(tmp_path / "noise")
    model = optimise.fused(toy.core_model())
    core = toy.core_json(model.SerializeToString())
    truth = outputs(model, images=IMAGES)

    def loss(rounded: onnx.ModelProto) -> float:
        return float(np.abs(outputs(rounded, images=IMAGES)[1] - truth[1]).max())

    all_rounded, none = quantise.quantised(model, core, dataset.split("train"), loss, most=1.0)
    assert none == [] and operators(all_rounded)["QuantizeLinear"] > 0
    rounded_loss = loss(all_rounded)
    made, left = quantise.quantised(model, core, dataset.split("train"), loss, most=rounded_loss / 10)
    assert len(left) == 1 and loss(made) <= rounded_loss / 10


def test_a_fixed_batch(bench):
    bench.assemble("--batch", "4")
    bench.gate("--batch", "4")
    published = bench.published.with_stem("toy-run-batch4")
    model = onnx.load(published)
    assert check.check(model) == [] and check.fixed_batch(model) == 4
    pictures = np.random.default_rng(0).integers(0, 256, (4, 50, 60, 3), dtype=np.uint8)
    assert [len(each) for each in outputs(model, image=pictures)] == [4, 4, 4, 4]
    with pytest.raises(Exception, match="Got invalid dimensions"):
        outputs(model, image=pictures[:1])


@pytest.mark.parametrize("word", ["0", "many", "-1"])
def test_a_batch_that_is_none(bench, word):
    with pytest.raises(UserError, match=f"--batch {word}: give a whole number, at least 1, or any"):
        bench.assemble(f"--batch={word}")
