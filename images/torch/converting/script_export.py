"""A TorchScript model and the decoding of its outputs as one core in ONNX, for any batch."""

from __future__ import annotations

import io
import warnings
from dataclasses import replace

import numpy as np
import onnx
import torch
from onnx import compose, helper
from torch import Tensor, nn

from converting import scripts
from converting.scripts import Script
from isomer import contract
from isomer.converting import failures, failures_torch
from isomer.graph import batch, decoders
from isomer.graph.decoders import Layout
from isomer.graph.versions import to_contract
from isomer.progress import say

RAW = "raw/"
CLOSE = 1e-5
TRIED = 3  # pictures


def core(script: Script, layout: Layout) -> onnx.ModelProto:
    """The core: `images` to `boxes` and `scores`.

    Raises:
        ConversionFailed: torch.onnx has no way to write the model.
    """
    picked = _Picked(script, layout)
    free = _is_free(picked, script)
    inner = to_contract(_export(picked, script, len(layout.outputs), free))
    behind = decoders.build(
        replace(layout, outputs=tuple(f"{RAW}{name}" for name in layout.outputs)), script.height, script.width
    )
    tail = helper.make_model(behind, ir_version=inner.ir_version, opset_imports=inner.opset_import)
    names = [f"{RAW}{name}" for name in layout.outputs]
    made = compose.merge_models(
        compose.add_prefix(inner, "script/", rename_inputs=False, rename_outputs=False),
        tail,
        io_map=[(name, name) for name in names],
    )
    if free:
        return made
    say("the batch is frozen inside the model: its pictures go through one after the other, in a Loop")
    return batch.looped(made)


class _Picked(nn.Module):
    """The model with the outputs alone that mean something."""

    def __init__(self, script: Script, layout: Layout) -> None:
        super().__init__()
        self.module = script.module
        self.places = [int(name.rpartition("_")[2]) for name in layout.outputs]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        found = scripts.tensors(self.module(images))
        return tuple(found[place].float() for place in self.places)


@torch.no_grad()
def _is_free(picked: _Picked, script: Script) -> bool:
    """Whether several pictures give what each gives alone."""
    shape = (TRIED, 3, script.height, script.width)
    images = torch.from_numpy(np.random.default_rng(0).uniform(0, 1, shape).astype(np.float32))
    alone = [picked(image[None]) for image in images]
    try:
        together = picked(images)
    except RuntimeError:
        return False
    return all(
        found.shape[0] == TRIED and torch.allclose(found, torch.cat(wanted), atol=CLOSE, rtol=CLOSE)
        for found, wanted in zip(together, zip(*alone, strict=True), strict=True)
    )


def _export(picked: _Picked, script: Script, outputs: int, free: bool) -> onnx.ModelProto:
    """By the exporter that follows a recorded graph: the newer one takes no TorchScript."""
    images = torch.zeros(1, 3, script.height, script.width)
    names = [f"{RAW}output_{place}" for place in picked.places]
    axes = {name: {0: "batch"} for name in (contract.CORE_INPUT, *names)} if free else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(picked, images, check_trace=False)

    def export(opset: int) -> onnx.ModelProto:
        stream = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                traced,
                (images,),
                stream,
                dynamo=False,
                opset_version=opset,
                input_names=[contract.CORE_INPUT],
                output_names=names,
                dynamic_axes=axes,
            )
        return onnx.load_model_from_string(stream.getvalue())

    return failures.climb("torch.onnx", export, failures_torch.TABLE)[0]
