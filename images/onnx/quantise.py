"""A core in 8 bits: static, QDQ, weights per channel, calibrated on pictures; what cannot bear it is float.

Activations are uint8 and weights int8, the pair that ONNX Runtime's kernels multiply fastest. The layers that lose most
are found by comparing every activation of the quantised core with that of the float one, and are left in float, worst
first, until the mAP on the val split is back. https://arxiv.org/abs/1712.05877,
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.qdq_loss_debug import (
    collect_activations,
    compute_activation_error,
    create_activation_matching,
    modify_model_output_intermediate_tensors,
)
from optimise import HEAVY, behind_the_heavy, small, standard
from session import open_session, run

from isomer import contract, progress
from isomer.contract import Core
from isomer.dataset.canonical import Split
from isomer.graph import head

CALIBRATION_PICTURES = 128
COMPARED_PICTURES = 8  # on which the layers' errors are measured
LEFT_IN_FLOAT = (0, 1, 2, 4, 8, 16, 32)  # layers, tried in this order


def quantised(
    core_model: onnx.ModelProto, core: Core, train: Split, loss: Callable[[onnx.ModelProto], float], most: float
) -> tuple[onnx.ModelProto, list[str]]:
    """The quantised core, and the names of the layers left in float.

    Args:
        core_model: float32, as `optimise.fused` makes it.
        train: gives the pictures for calibration.
        loss: of mAP on the val split, by a core in place of the float one.
        most: the loss that is accepted; where no number of layers left in float reaches it, the best found is returned.
    """
    model = onnx.ModelProto()
    model.CopyFrom(core_model)
    # The first layer is cheap and sees every grey level, and ONNX Runtime 1.15 refuses a graph that quantises right
    # behind the head's transposition. What decodes boxes needs the precision and takes no time.
    behind = [node.name for node in behind_the_heavy(model.graph)]
    batches = [{contract.CORE_INPUT: images} for images in _images(core, train)]
    first, *heavy = [node.name for node in model.graph.node if node.op_type in HEAVY]
    best: tuple[float, onnx.ModelProto, list[str]] | None = None
    worst_first: list[str] = []
    for count in LEFT_IN_FLOAT:
        if count and not worst_first:
            assert best is not None
            worst_first = _worst_first(model, best[1], batches[:COMPARED_PICTURES])
        if count > len(heavy):
            break
        left = worst_first[:count]
        made = _quantise(model, batches, [first, *behind, *left])
        lost = loss(standard(_copy(made), core_model))
        kept = f", {count} of {len(heavy)} layers left in float" if count else ""
        progress.say(f"int8: mAP on val {-lost:+.4f}{kept}")
        if best is None or lost < best[0]:
            best = (lost, made, left)
        if lost <= most:
            break
    assert best is not None
    return small(standard(best[1], core_model)), best[2]


def _images(core: Core, split: Split) -> Iterator[np.ndarray]:
    """Training pictures, spread over the split, as the core takes them, float32."""
    graph = head.build(core)
    opset = [onnx.helper.make_opsetid("", contract.OPSET)]
    session = open_session(onnx.helper.make_model(graph, ir_version=contract.IR_VERSION, opset_imports=opset))
    step = max(len(split.pictures) // CALIBRATION_PICTURES, 1)
    chosen = split.pictures[::step][:CALIBRATION_PICTURES]
    for picture in progress.track(chosen, "calibrate on train", unit="images"):
        yield run(session, **{contract.INPUT: split.load(picture)[None]})[0]


class _Reader(CalibrationDataReader):
    """Batches as ONNX Runtime's quantiser reads them."""

    def __init__(self, batches: list[dict[str, np.ndarray]]) -> None:
        self._batches = iter(batches)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._batches, None)


def _quantise(model: onnx.ModelProto, batches: list[dict[str, np.ndarray]], left: list[str]) -> onnx.ModelProto:
    # it advises on the root logger to run a pre-processing that has been done
    logging.getLogger().setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        quantize_static(
            _copy(model),  # it moves the weights of what it is given into a file
            path,
            _Reader(batches),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            nodes_to_exclude=left,
        )
        return onnx.load(path)


def _worst_first(
    model: onnx.ModelProto, quantised_model: onnx.ModelProto, batches: list[dict[str, np.ndarray]]
) -> list[str]:
    """The heavy layers, those whose result loses most by its own rounding first (signal to noise, dB)."""
    with tempfile.TemporaryDirectory() as name:
        activations = []
        for stem, one in (("float", model), ("int8", quantised_model)):
            plain, open_ended = Path(name) / f"{stem}.onnx", Path(name) / f"{stem}-all.onnx"
            onnx.save(_copy(one), plain)
            modify_model_output_intermediate_tensors(str(plain), str(open_ended))
            activations.append(collect_activations(str(open_ended), _Reader(batches)))
    matched = create_activation_matching(activations[1], activations[0])
    errors = compute_activation_error(matched)
    ratio = {tensor: values["xmodel_err"] for tensor, values in errors.items()}
    heavy = [node for node in model.graph.node if node.op_type in HEAVY]
    return [node.name for node in sorted(heavy[1:], key=lambda node: _nearest(ratio, node, model))]


def _nearest(ratio: dict[str, float], node: onnx.NodeProto, model: onnx.ModelProto) -> float:
    """The ratio at a layer's output, or at that of the activation it was merged with."""
    for name in node.output:
        if name in ratio:
            return float(np.mean(ratio[name]))
    users = [other for other in model.graph.node if node.output[0] in other.input]
    found = [float(np.mean(ratio[other.output[0]])) for other in users if other.output[0] in ratio]
    return min(found, default=np.inf)


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy
