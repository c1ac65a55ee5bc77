"""What computes."""

from __future__ import annotations

import torch

from isomer.errors import UserError


def choose(name: str, count: int = 1) -> torch.device:
    """What `--device` means here, for so many `--devices`.

    Raises:
        UserError: a GPU is asked for and there is none that torch can use, or there are fewer.
    """
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "gpu" and not there:
        raise UserError("--device gpu: torch finds no GPU here (`nvidia-smi` shows what the driver sees)")
    if name == "cpu" or not there:
        return torch.device("cpu")
    if count > there:
        raise UserError(f"--devices {count}: there are {there} GPUs here that torch can use")
    return torch.device("cuda")


def precision(device: torch.device, *, amp: bool) -> str:
    """Lightning's name of it: bfloat16 needs no scaling of the loss, but GPUs before Ampere have only float16."""
    if not amp:
        return "32-true"
    return "16-mixed" if device.type == "cuda" and not torch.cuda.is_bf16_supported(False) else "bf16-mixed"
