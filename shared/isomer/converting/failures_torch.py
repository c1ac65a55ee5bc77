"""What torch.onnx and torch say when a model does not convert."""

from __future__ import annotations

from isomer.converting.failures import Failure

TABLE: tuple[Failure, ...] = (
    Failure(
        r"Expected all tensors to be on the same device|Input type \(torch\.cuda.*weight type \(torch\."
        r"|Tensor on device \w+ is not on the expected device|Found no NVIDIA driver"
        r"|Torch not compiled with CUDA|Cannot access accelerator device|No CUDA GPUs are available",
        "a part of the model lies on another device than the rest",
        "All belongs on the CPU while it is exported: model.cpu() before it is traced, and no device='cuda' inside",
        says=(
            "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!",
            "Input type (torch.cuda.FloatTensor) and weight type (torch.FloatTensor) should be the same",
            "Torch not compiled with CUDA enabled",
            "Found no NVIDIA driver on your system",
        ),
    ),
    Failure(
        r"Exporting the operator '?(?P<operator>[\w:]+)'? to ONNX opset version (?P<opset>\d+) is not supported\. "
        r"Support for this operator was added in version (?P<needed>\d+)",
        "ONNX opset {opset} is too low: it has no operator for {operator}",
        "From opset {needed} on there is one",
        climbs=True,
        says=(
            "Exporting the operator 'aten::grid_sampler' to ONNX opset version 11 is not supported. "
            "Support for this operator was added in version 16",
        ),
    ),
    Failure(
        r"Exporting the operator '?(?P<operator>[\w:]+)'? to ONNX opset version (?P<opset>\d+) is not supported",
        "ONNX opset {opset} has no operator for {operator}",
        "Another opset may have it; else leave it out of the model, or compute it behind the detector",
        climbs=True,
        says=("Exporting the operator 'aten::_ctc_loss' to ONNX opset version 18 is not supported",),
    ),
    Failure(
        r"No ONNX function found for <OpOverload\(op='(?P<operator>[\w.:]+)'",
        "ONNX has no operator for {operator}",
        "Leave it out of the model, or compute it behind the detector",
        says=("No ONNX function found for <OpOverload(op='aten.special_bessel_j0', overload='default')>",),
    ),
    Failure(
        r"GuardOnDataDependentSymNode.*?expression (?P<expression>.+?) \(",
        "the model decides by numbers that it only computes ({expression}), as NMS does by how many boxes are left",
        "Cut it before its NMS: that is added anew behind the core",
        says=(
            "GuardOnDataDependentSymNode: Could not guard on data-dependent expression Eq(u0, 0) (unhinted: Eq(u0, 0))",
        ),
    ),
    Failure(
        r"cond must be a bool, but got a Tensor|Could not guard on data-dependent expression",
        "the model decides by numbers that it only computes, as NMS does by how many boxes are left",
        "Cut it before its NMS: that is added anew behind the core",
        says=(
            "cond must be a bool, but got a Tensor",
            "Could not guard on data-dependent expression u0 > 0",
        ),
    ),
)
