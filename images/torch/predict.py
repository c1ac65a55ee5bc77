"""predict-torch: a detector on pictures, a run's or a pretrained one, with drawn boxes and a COCO result file."""

from __future__ import annotations

from pathlib import Path

import passive  # noqa: F401 (before torch)

from isomer import catalogue, predicting
from isomer.errors import run_main
from isomer.flags import Predict, parse


def main() -> None:
    options = parse(Predict, prog="predict-torch")
    subject = predicting.subject(options, "torch", catalogue.load(Path(__file__).parent))

    import device  # torch takes seconds to import: only where there is something to do
    import inference
    import weights

    where = device.choose(options.device)
    if subject.run is not None:
        names, found = subject.names, inference.load(subject.run, subject.dataset, where)
    else:
        names, detector = weights.as_published(subject.weights, subject.model)
        found = inference.Inference(detector, where)
    predicting.predict(subject, names, options, found.raw, inference.detections)


if __name__ == "__main__":
    run_main(main)
