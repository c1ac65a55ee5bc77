"""train.py as it is, but each step has a line in metrics.jsonl: `python every_step.py FLAGS`.

With $FROZEN_NORMS no batch norm learns or averages.
"""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.environ["ISOMER_SCRIPTS"])

import isomer.training

isomer.training.LOG_STEPS = 1

import freezing  # noqa: E402
import quiet  # noqa: E402, F401 (before tensorflow)
import tf_keras  # noqa: E402
import train  # noqa: E402 (takes LOG_STEPS over)

from isomer.errors import run_main  # noqa: E402

freeze = freezing.freeze


def freeze_norms(model: tf_keras.Model, what: str | None) -> None:
    freeze(model, what)
    for layer in model.submodules:
        if isinstance(layer, tf_keras.layers.BatchNormalization):
            layer.trainable = False


if os.environ.get("FROZEN_NORMS"):
    freezing.freeze = freeze_norms
run_main(train.main)
