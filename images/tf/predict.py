"""predict-tf: a detector on pictures, a run's or a pretrained one, with drawn boxes and a COCO result file."""

from __future__ import annotations

from pathlib import Path

import quiet  # noqa: F401 (before tensorflow)

from isomer import catalogue, predicting, training
from isomer.errors import run_main
from isomer.flags import Predict, parse


def main() -> None:
    options = parse(Predict, prog="predict-tf")
    subject = predicting.subject(options, "tf", catalogue.load(Path(__file__).parent))
    trained = training.trained_weights(subject.run) if subject.run is not None else None

    import detector  # TensorFlow takes seconds to import: only where there is something to do
    import device
    import weights

    device.choose(options.device)
    if trained is not None:
        names, found = subject.names, detector.load(subject.run, trained, len(subject.names))
    else:
        names, core = weights.as_published(subject.weights, subject.model)
        found = detector.Detector(core)
    predicting.predict(subject, names, options, found.raw, detector.nms)


if __name__ == "__main__":
    run_main(main)
