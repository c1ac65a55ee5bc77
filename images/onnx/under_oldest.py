"""Runs a model; started with the environment of the oldest ONNX Runtime, so it imports nothing of the project.

    python under_oldest.py FOLDER

FOLDER/model.onnx on each batch of FOLDER/inputs.npz ("0/image", "1/image" …); all outputs go to FOLDER/outputs.npz
("0/detection_boxes" …).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnxruntime


def main(folder: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
        names = [item.name for item in session.get_outputs()]
        batches: dict[str, dict[str, np.ndarray]] = {}
        with np.load(folder / "inputs.npz") as arrays:
            for key in arrays.files:
                number, name = key.split("/", 1)
                batches.setdefault(number, {})[name] = arrays[key]
        outputs = {
            f"{number}/{name}": value
            for number, inputs in batches.items()
            for name, value in zip(names, session.run(None, inputs), strict=True)
        }
    except Exception as error:
        sys.exit(f"{onnxruntime.__version__}: {' '.join(str(error).split())}")
    np.savez(folder / "outputs.npz", **outputs)
    print(onnxruntime.__version__)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
