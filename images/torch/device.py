"""What computes."""

from __future__ import annotations

import torch

from isomer.errors import UserError


def choose(name: str) -> torch.device:
    """What `--device` means here.

    Raises:
        UserError: a GPU is asked for and there is none that torch can use.
    """
    if name == "gpu" and not torch.cuda.is_available():
        raise UserError("--device gpu: torch finds no GPU here (`nvidia-smi` shows what the driver sees)")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
