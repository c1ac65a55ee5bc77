"""A core as one ONNX file of the contract's opset and IR version."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path

import onnx
import torch
from models.base import Core
from torch import nn

from isomer import contract
from isomer.converting import failures, failures_torch
from isomer.errors import CheckFailed

TRACED_BATCH = 2  # the exporter takes an axis of one for a constant


def write(core: Core, path: Path) -> None:
    """Export a trained detector's core; raises CheckFailed where what was written is not as it was asked for."""
    size = core.detector.size
    onnx.save(export(core, size, size), path)


def export(core: nn.Module, height: int, width: int) -> onnx.ModelProto:
    """The core with a dynamic batch for inputs of height × width pixels; float32, in evaluation mode, in one file.

    Args:
        core: normalised images float32 [N, 3, height, width] to boxes [N, A, 4] and scores [N, A, classes].

    Raises:
        ConversionFailed: the exporter fails; with the cause and the cure where they are known.
        CheckFailed: it wrote something else than was asked for.
    """
    # a copy: native predictions go on on the device
    core = copy.deepcopy(core).to("cpu", torch.float32).eval()
    images = torch.zeros(TRACED_BATCH, 3, height, width)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            program = torch.onnx.export(
                core,
                (images,),
                dynamo=True,
                opset_version=contract.OPSET,
                input_names=[contract.CORE_INPUT],
                output_names=["boxes", "scores"],
                dynamic_shapes={"images": {0: torch.export.Dim("batch", min=1)}},
                verbose=False,
            )
        except Exception as error:  # of many classes, which share no other
            message = _causes(error)
            sentence = failures.explain("torch.onnx", message, failures_torch.TABLE)
            raise failures.ConversionFailed(sentence, message) from error
    model = program.model_proto
    # The exporter always writes IR version 10. What 9 and 10 added are other number types, overloads and metadata of
    # nodes (here: Python stack traces): without those the file is one of version 8.
    model.ir_version = contract.IR_VERSION
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.initializer, model.graph):
        part.ClearField("metadata_props")
    check(model, height, width)
    return model


def check(model: onnx.ModelProto, height: int, width: int) -> None:
    """Look at what was written: the exporter may write something else than was asked for, with only a warning."""
    onnx.checker.check_model(model, full_check=True)
    opsets = {entry.domain: entry.version for entry in model.opset_import if entry.version}
    outside = sorted({node.domain for node in model.graph.node} - {"", "ai.onnx"})
    (images,) = model.graph.input
    shape = [dimension.dim_param or dimension.dim_value for dimension in images.type.tensor_type.shape.dim]
    wrong = {
        f"opset {opsets.get('')}, not {contract.OPSET}": opsets.get("") != contract.OPSET,
        f"IR version {model.ir_version}, not {contract.IR_VERSION}": model.ir_version != contract.IR_VERSION,
        f"operators of {outside}": outside,
        f"a frozen batch of {shape[0]}": not isinstance(shape[0], str),
        f"input shape {shape[1:]}": shape[1:] != [3, height, width],
        "weights in another file": any(weight.external_data for weight in model.graph.initializer),
    }
    found = [what for what, holds in wrong.items() if holds]
    if found:
        raise CheckFailed(f"torch.onnx.export wrote {', '.join(found)}: another torch version than the lock's?")


def _causes(error: BaseException | None) -> str:
    """An error's message and those of the errors it came from, the first one first: that one tells most."""
    messages: list[str] = []
    while error is not None:
        messages.append(str(error))
        error = error.__cause__ or error.__context__
    return "\n".join(reversed(messages))
