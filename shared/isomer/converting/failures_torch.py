"""What torch.onnx and torch say when a model does not convert."""

from __future__ import annotations

from isomer.converting.failures import Failure

TABLE: tuple[Failure, ...] = (
    Failure(
        r"Expected all tensors to be on the same device|Input type \(torch\.cuda.*weight type \(torch\.",
        "the model's weights lie on one device and its input on another",
        "Both belong on the CPU while a model is exported",
    ),
    Failure(
        r"Exporting the operator '?(?P<operator>[\w:]+)'? to ONNX opset version (?P<opset>\d+) is not supported",
        "ONNX opset {opset} has no operator for {operator}",
        "Another opset may have it",
        climbs=True,
    ),
)
