"""export-tf: a trained run's core.onnx, core.json and native predictions."""

from __future__ import annotations

import quiet  # noqa: F401 (before tensorflow)
import recipe

from isomer import files, native, training
from isomer.contract import Core
from isomer.errors import run_main
from isomer.flags import Export, parse
from isomer.progress import say


def main() -> None:
    options = parse(Export, prog="export-tf")
    run, dataset = training.trained(options, "tf")
    weights = training.trained_weights(run)
    test = dataset.split("test")

    import detector
    import device
    import onnx_export
    import tensorflow as tf

    device.choose(options.device)
    tf.config.experimental.enable_tensor_float_32_execution(False)  # the gate compares to 1e-4
    found = detector.load(run, weights, len(dataset.classes), options.size)
    say(f"convert {run.name}")
    files.write_bytes(run.core_onnx, onnx_export.convert(found.core))
    core = Core(
        framework="tf",
        architecture=found.core.architecture.name,
        layout="NHWC",
        height=found.core.size,
        width=found.core.size,
        mean=recipe.MEAN,
        std=recipe.STD,
        classes=dataset.classes,
        core_sha256=files.sha256_of_file(run.core_onnx),
        provenance=training.export_provenance(run, framework_version=tf.__version__, tf2onnx=onnx_export.VERSION),
    )
    files.write_json(run.core_json, core.to_json())
    native.write(run, test, found.raw, detector.nms, run.record()["weights_sha256"])
    say(f"core of run {run.name!r}: {run.core_onnx}")


if __name__ == "__main__":
    run_main(main)
