"""A model for so many pictures at a time, as compilers for accelerators want it; made of one that takes any number."""

from __future__ import annotations

import numpy as np
import onnx
from levels import Check
from onnx.tools.update_model_dims import update_inputs_outputs_dims
from session import open_session, run

from isomer import contract
from isomer.graph.check import BATCH

HEIGHT, WIDTH = 240, 320


def fixed(model: onnx.ModelProto, batch: int) -> tuple[onnx.ModelProto, Check]:
    """The model with a fixed batch, and whether it gives what the free one gives."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    dims = {item.name: _dims(item, batch) for item in (*made.graph.input, *made.graph.output)}
    inputs = {item.name: dims[item.name] for item in made.graph.input}
    outputs = {item.name: dims[item.name] for item in made.graph.output}
    made = update_inputs_outputs_dims(made, inputs, outputs)
    made.metadata_props.add(key=BATCH, value=str(batch))
    pictures = np.random.default_rng(0).integers(0, 256, (batch, HEIGHT, WIDTH, 3), dtype=np.uint8)
    ours, theirs = (run(open_session(one), **{contract.INPUT: pictures}) for one in (made, model))
    gap = max(float(np.abs(one - two).max(initial=0)) for one, two in zip(ours, theirs, strict=True))
    return made, Check(5, f"fixed to batches of {batch}", gap, 0, gap == 0, "against the model for any batch")


def _dims(item: onnx.ValueInfoProto, batch: int) -> list[int | str]:
    dims = item.type.tensor_type.shape.dim
    return [batch, *(dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "n" for dim in dims[1:])]
