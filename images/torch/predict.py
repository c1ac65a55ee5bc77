"""predict-torch: a trained run on pictures, with drawn boxes and a COCO result file."""

from __future__ import annotations

from inference import choose_device, detections, load

from isomer.errors import run_main
from isomer.flags import Predict, parse
from isomer.predicting import predict
from isomer.training import trained


def main() -> None:
    options = parse(Predict, prog="predict-torch")
    device = choose_device(options.device)
    run, dataset = trained(options, "torch")
    predict(run, dataset, options, load(run, dataset, device).raw, detections)


if __name__ == "__main__":
    run_main(main)
