"""What computes: the CPU, a GPU, several GPUs, or several processes; and in which precision."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import quiet
import tensorflow as tf
import tf_keras
from cluster import Place

from isomer import memory as kernel
from isomer.errors import UserError

DRIVER = ("/dev/nvidiactl", "/dev/dxg")  # NVIDIA's, on Linux and under Windows (WSL)
HAS_BFLOAT16 = (8, 0)  # the compute capability from which GPUs have it
DEATH_SECONDS = 10  # after which a silent worker is taken for dead


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


def share_processors(place: Place) -> None:
    """Leave the other processes of this machine their part of its processors."""
    if place.workers > 1 and not tf.config.get_visible_devices("GPU"):
        mine = max(len(os.sched_getaffinity(0)) // place.neighbours, 1)
        tf.config.threading.set_intra_op_parallelism_threads(mine)


def strategy(place: Place) -> tf.distribute.Strategy:
    """TensorFlow's engine for a process's place; in a cluster it waits until all are there.

    Raises:
        UserError: TensorFlow sees fewer GPUs than --devices.
    """
    gpus = tf.config.get_visible_devices("GPU")
    if place.devices > 1 and len(gpus) < place.devices:
        raise UserError(f"--devices {place.devices}: TensorFlow sees {len(gpus)} GPUs here")
    tf.config.set_visible_devices(gpus[: place.devices], "GPU")
    if place.workers > 1:
        with quiet.hushed():  # servers say where they listen
            made = tf.distribute.MultiWorkerMirroredStrategy()
        # its own half minute between two looks, and half a minute of patience, is long for those who watch
        made.extended._check_health_interval = DEATH_SECONDS / 2
        return made
    if place.devices > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def precision(amp: bool) -> str:
    """The Keras policy that --amp means here: bfloat16 has float32's range, float16 needs its loss scaled."""
    if not amp:
        return "float32"
    for gpu in tf.config.get_visible_devices("GPU"):
        if tf.config.experimental.get_device_details(gpu).get("compute_capability", HAS_BFLOAT16) < HAS_BFLOAT16:
            return "mixed_float16"
    return "mixed_bfloat16"


def memory(where: str) -> int:
    """Bytes in use: of the first GPU, or of this process."""
    return tf.config.experimental.get_memory_info("GPU:0")["current"] if where == "gpu" else kernel.resident()


def describe(where: str, place: Place) -> str:
    """What trains, in words for run.json and those who watch."""
    if place.parts == 1:
        return where
    processes = f", {place.workers} processes" if place.workers > 1 else ""
    return f"{place.parts} × {where}{processes}"


@contextlib.contextmanager
def policy(name: str):
    """Layers made inside compute in this precision."""
    before = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy(name)
    try:
        yield
    finally:
        tf_keras.mixed_precision.set_global_policy(before)
