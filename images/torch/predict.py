"""predict-torch: a trained run on pictures, with drawn boxes and a COCO result file."""

from __future__ import annotations

import passive  # noqa: F401 (before torch)

from isomer.errors import run_main
from isomer.flags import Predict, parse
from isomer.predicting import predict
from isomer.training import trained


def main() -> None:
    options = parse(Predict, prog="predict-torch")
    run, dataset = trained(options, "torch")

    import device  # torch takes seconds to import: only where there is something to do
    from inference import detections, load

    predict(run, dataset, options, load(run, dataset, device.choose(options.device)).raw, detections)


if __name__ == "__main__":
    run_main(main)
