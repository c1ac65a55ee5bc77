"""assemble: head and tail around a run's core.onnx, written to the run's assembled.onnx for the gate to judge."""

from __future__ import annotations

import onnx
from exported import find_run, load_core
from google.protobuf.message import DecodeError

from isomer import files, progress
from isomer.contract import Thresholds
from isomer.errors import CheckFailed, run_main
from isomer.flags import Assemble, parse
from isomer.graph.assemble import assemble
from isomer.run import RunFolder
from isomer.volume import Volume


def main() -> None:
    options = parse(Assemble, prog="assemble")
    run = find_run(Volume.from_environment(), options)
    write(run, options)


def write(run: RunFolder, options: Assemble) -> None:
    """Assemble and check the run's model.

    Raises:
        UserError: the run is not exported, or `--class-order` does not name its classes.
        CheckFailed: the core is not one; nothing is written.
    """
    core = load_core(run)
    thresholds = Thresholds(options.score_threshold, options.iou_threshold, options.max_detections)
    order = tuple(name.strip() for name in options.class_order.split(",")) if options.class_order else None
    try:
        model = assemble(onnx.load(run.core_onnx), core, run.name, thresholds, options.channels, order)
        onnx.checker.check_model(model, full_check=True)
    except DecodeError:
        raise CheckFailed(f"{run.core_onnx} is not an ONNX model: export again") from None
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise CheckFailed(f"{run.core_onnx}: the checker refuses the model around it: {error}") from None
    data = model.SerializeToString(deterministic=True)
    files.write_bytes(run.assembled_onnx, data)
    progress.say(
        f"assembled {run.assembled_onnx}: {len(data) / 1e6:.1f} MB, {len(model.graph.node)} nodes, "
        f"{options.channels.upper()} input, classes {', '.join(order or core.classes)}"
    )


if __name__ == "__main__":
    run_main(main)
