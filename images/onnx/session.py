"""ONNX Runtime sessions that run where they are told to, or say why not."""

from __future__ import annotations

import ctypes
import functools

import numpy as np
import onnx
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as states

from isomer.errors import CheckFailed, UserError

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
# ONNX Runtime's exceptions (InvalidArgument, RuntimeException, ...) have no parent of their own.
ERRORS = tuple(value for value in vars(states).values() if isinstance(value, type) and issubclass(value, Exception))


def open_session(
    model: bytes | onnx.ModelProto, device: str = "cpu", threads: int | None = None, shares_cores: bool = False
) -> onnxruntime.InferenceSession:
    """A session for a model.

    Args:
        device: "cpu", "gpu", or "auto": the GPU where ONNX Runtime finds one.
        threads: for the operators; None leaves it to ONNX Runtime.
        shares_cores: other threads of this process work too: those that wait for an operator sleep instead of spinning.

    Raises:
        CheckFailed: ONNX Runtime does not take the model.
        UserError: a GPU was asked for and is not there; ONNX Runtime itself would go on on the CPU without a word.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors come as exceptions; the rest is advice to ONNX Runtime's developers
    if threads is not None:
        options.intra_op_num_threads = options.inter_op_num_threads = threads
    if shares_cores:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if isinstance(model, onnx.ModelProto):
        model = model.SerializeToString()
    wanted = [CPU]
    if device == "gpu" or (device == "auto" and sees_gpu()):
        load_cuda()
        wanted = [CUDA, CPU]
    try:
        session = onnxruntime.InferenceSession(model, options, providers=wanted)
    except ERRORS as error:
        raise CheckFailed(
            f"ONNX Runtime {onnxruntime.__version__} does not take the model: {_sentence(error)}"
        ) from None
    if device == "gpu" and CUDA not in session.get_providers():
        raise UserError("ONNX Runtime finds no GPU (or not the CUDA libraries for it): use --device cpu, or see doctor")
    return session


@functools.cache
def sees_gpu() -> bool:
    """Whether ONNX Runtime is built for NVIDIA's GPUs and the driver shows one: it complains in pages where none is."""
    if CUDA not in onnxruntime.get_available_providers():
        return False
    count = ctypes.c_int(0)
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


@functools.cache
def load_cuda() -> None:
    """Load CUDA's and cuDNN's libraries from the environment's packages, where no loader looks for them."""
    if CUDA in onnxruntime.get_available_providers():
        onnxruntime.preload_dlls()


def run(session: onnxruntime.InferenceSession, **inputs: np.ndarray) -> list[np.ndarray]:
    """All outputs of a session.

    Raises:
        CheckFailed: ONNX Runtime cannot compute them; the shapes it was given are named.
    """
    try:
        return session.run(None, inputs)
    except ERRORS as error:
        shapes = ", ".join(f"{name} {list(value.shape)}" for name, value in inputs.items())
        raise CheckFailed(f"does not run with {shapes}: {_sentence(error)}") from None


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split())
