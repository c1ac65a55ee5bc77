"""predict-tf: a detector on pictures, in its own framework, with drawn boxes and a COCO result file."""

from __future__ import annotations

from pathlib import Path

import quiet  # noqa: F401 (before tensorflow)

from isomer import catalogue, predicting, training
from isomer.errors import run_main
from isomer.flags import Predict, parse


def main() -> None:
    options = parse(Predict, prog="predict-tf")
    subject = predicting.subject(options, "tf", catalogue.load(Path(__file__).parent))
    weights = training.trained_weights(subject.run)

    import detector
    import device

    device.choose(options.device)
    found = detector.load(subject.run, weights, len(subject.names))
    predicting.predict(subject, subject.names, options, found.raw, detector.nms)


if __name__ == "__main__":
    run_main(main)
