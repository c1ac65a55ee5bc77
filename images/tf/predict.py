"""predict-tf: a trained run on pictures, in its own framework."""

from __future__ import annotations

import quiet  # noqa: F401 (before tensorflow)

from isomer import predicting, training
from isomer.errors import run_main
from isomer.flags import Predict, parse


def main() -> None:
    options = parse(Predict, prog="predict-tf")
    run, dataset = training.trained(options, "tf")
    weights = training.trained_weights(run)
    next(predicting.sources(dataset, options.source))  # a wrong --source is told before TensorFlow takes its seconds

    import detector
    import device

    device.choose(options.device)
    found = detector.load(run, weights, len(dataset.classes))
    predicting.predict(run, dataset, options, found.raw, detector.nms)


if __name__ == "__main__":
    run_main(main)
