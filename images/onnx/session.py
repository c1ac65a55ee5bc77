"""ONNX Runtime sessions that run where they are told to, or say why not."""

from __future__ import annotations

import onnx
import onnxruntime

from isomer.errors import CheckFailed, UserError

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"


def open_session(
    model: bytes | onnx.ModelProto, device: str = "cpu", threads: int | None = None
) -> onnxruntime.InferenceSession:
    """A session for a model.

    Args:
        device: "cpu", "gpu", or "auto": the GPU where ONNX Runtime finds one.
        threads: for the operators; None leaves it to ONNX Runtime.

    Raises:
        CheckFailed: ONNX Runtime does not take the model.
        UserError: a GPU was asked for and is not there; ONNX Runtime itself would go on on the CPU without a word.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors come as exceptions; the rest is advice to ONNX Runtime's developers
    if threads is not None:
        options.intra_op_num_threads = options.inter_op_num_threads = threads
    if isinstance(model, onnx.ModelProto):
        model = model.SerializeToString()
    wanted = [CPU]
    if device == "gpu" or (device == "auto" and CUDA in onnxruntime.get_available_providers()):
        wanted = [CUDA, CPU]
    try:
        session = onnxruntime.InferenceSession(model, options, providers=wanted)
    except Exception as error:  # its own exception classes have no common parent but Exception
        raise CheckFailed(f"ONNX Runtime {onnxruntime.__version__} does not take the model: {error}") from None
    if device == "gpu" and CUDA not in session.get_providers():
        raise UserError("ONNX Runtime finds no GPU (or not the CUDA libraries for it): use --device cpu, or see doctor")
    return session
