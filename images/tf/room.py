"""What to do when the memory is too small: how many pictures a step would have room for, by estimate."""

from __future__ import annotations

import tensorflow as tf
import tf_keras
from job import Job
from learner import Learner

from isomer import memory
from isomer.errors import UserError

# Of every layer's output: itself, its gradient, and what convolutions and batch norms keep beside. Measured.
COPIES = 3.0


def bytes_a_picture(model: tf_keras.Model) -> int:
    """What a training step holds for each picture, by estimate: the outputs of all layers, and their gradients."""
    total = 0
    for part in (model.backbone, model.decoder, model.head):
        for layer in part.submodules if part is not None else ():
            for node in getattr(layer, "inbound_nodes", ()):
                for output in tf.nest.flatten(node.outputs):
                    shape = output.shape[1:]
                    total += (shape.num_elements() or 0) * output.dtype.size
    return int(total * COPIES)


def too_small(job: Job, learner: Learner | None) -> UserError:
    """The error for a memory that a step does not fit into."""
    options = job.options
    said = f"out of memory at --batch {options.batch} and --size {options.size}"
    if learner is None:
        return UserError(f"{said} before the first step: take a smaller --model or --size, or --cache none")
    parts = job.place.parts * options.accumulate
    each = bytes_a_picture(learner.model)
    pictures = max(min(_room() // each, options.batch // parts - 1), 1)
    fits = pictures * parts
    at_once = f"--accumulate {options.batch // pictures} keeps the batch and takes {pictures} pictures at a time"
    return UserError(
        f"{said} (by estimate {each / 1e6:.0f} MB a picture): --batch {fits} would fit, by estimate; {at_once}; "
        "or lower --size"
    )


def _room() -> int:
    """Bytes that a step can have."""
    if tf.config.get_visible_devices("GPU"):
        # the most that was held is about all there is: it was not enough
        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
    return memory.available()
