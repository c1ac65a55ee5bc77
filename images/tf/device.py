"""What computes: the CPU or a GPU."""

from __future__ import annotations

import contextlib
from pathlib import Path

import quiet
import tensorflow as tf

from isomer.errors import UserError

DRIVER = ("/dev/nvidiactl", "/dev/dxg")  # NVIDIA's, on Linux and under Windows (WSL)


def choose(device: str) -> str:
    """Make TensorFlow compute where `--device` says, "cpu" or "gpu"; call it before anything is computed.

    Raises:
        UserError: a GPU is asked for and TensorFlow sees none.
    """
    # without a driver TensorFlow speaks of an internal CUDA error
    with contextlib.nullcontext() if any(Path(node).exists() for node in DRIVER) else quiet.hushed():
        gpus = tf.config.list_physical_devices("GPU")
    if device == "gpu" and not gpus:
        raise UserError("--device gpu: TensorFlow sees no GPU here; use --device auto or cpu")
    used = [] if device == "cpu" else gpus
    tf.config.set_visible_devices(used, "GPU")
    for gpu in used:
        # or the first process takes all of a GPU's memory
        tf.config.experimental.set_memory_growth(gpu, True)
    return "gpu" if used else "cpu"
