"""train-torch with batch norms that do not look at the batch, so that it makes no difference how a step is divided.

A script: `python still_norms.py FLAGS` is `python train.py FLAGS` with such a detector, and every step's loss logged.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch


def hold(detector: torch.nn.Module) -> torch.nn.Module:
    """The detector with statistics of noise, kept as they are from now on."""
    norms = [module for module in detector.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # the mean over all batches, of which there is one
    noise = torch.randn(32, 3, detector.size, detector.size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        detector.train()(noise)
    detector._still = norms
    return detector.train()


def main() -> None:
    import models
    import train

    from isomer import training
    from isomer.errors import run_main

    training.LOG_STEPS = 1
    build = models.build
    models.build = lambda *arguments: hold(build(*arguments))
    run_main(train.main)


if __name__ == "__main__":
    import os

    sys.path.insert(0, str(Path(os.environ["ISOMER_SCRIPTS"])))
    main()
