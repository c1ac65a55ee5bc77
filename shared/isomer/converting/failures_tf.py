"""What tf2onnx and TensorFlow say when a model does not convert."""

from __future__ import annotations

from isomer.converting.failures import Failure

TABLE: tuple[Failure, ...] = (
    Failure(
        r"get tensor value.*must be Const",
        "an operator's argument is computed by the graph, and this opset wants a constant there",
        "A higher opset takes it as an input",
        climbs=True,
    ),
    Failure(
        r"make_sure failure: Cannot find node with output '?(?P<name>[^'\s]+)",
        "a part of the graph was dropped because an operator before {name} could not be written in this opset",
        "A higher opset has that operator",
        climbs=True,
    ),
)
