"""The oldest ONNX Runtime that models are promised to run under, in its own environment (requirements.oldest.in)."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx

from isomer.errors import CheckFailed, UserError

SCRIPT = Path(__file__).with_name("under_oldest.py")


def python() -> Path:
    """The interpreter of that environment.

    Raises:
        UserError: this environment was made without it.
    """
    found = Path(sys.prefix) / "oldest" / "bin" / "python"
    if not found.exists():
        raise UserError(f"there is no environment with the oldest ONNX Runtime at {found.parents[1]}: ./inv build")
    return found


def run(model: onnx.ModelProto, batches: list[dict[str, np.ndarray]]) -> tuple[str, list[dict[str, np.ndarray]]]:
    """ONNX Runtime's version, and a model's outputs by name for each batch of inputs.

    Raises:
        CheckFailed: it does not take the model, or cannot compute it.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.onnx").write_bytes(model.SerializeToString())
        np.savez(
            folder / "inputs.npz",
            **{f"{number}/{key}": value for number, batch in enumerate(batches) for key, value in batch.items()},
        )
        # -I: this process's PYTHONPATH is for another Python's packages
        done = subprocess.run([python(), "-I", SCRIPT, folder], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CheckFailed(f"ONNX Runtime {(done.stderr.strip() or 'ended without a word').splitlines()[-1]}")
        with np.load(folder / "outputs.npz") as arrays:
            outputs: list[dict[str, np.ndarray]] = [{} for _ in batches]
            for key in arrays.files:
                number, output = key.split("/", 1)
                outputs[int(number)][output] = arrays[key]
    return done.stdout.strip(), outputs
