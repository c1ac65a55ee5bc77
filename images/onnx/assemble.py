"""assemble: head and tail around a run's core.onnx, written to the run's assembled.onnx for the gate to judge."""

from __future__ import annotations

from typing import Any

import onnx
import precision
from exported import Target, find_run, load_exported
from google.protobuf.message import DecodeError

from isomer import contract, files, flags, profiles, progress
from isomer.contract import Thresholds, Whole
from isomer.errors import CheckFailed, UserError, run_main
from isomer.flags import Assemble
from isomer.graph.assemble import assemble
from isomer.graph.whole import assemble_whole
from isomer.run import RunFolder
from isomer.volume import Volume


def main() -> None:
    parser = flags.parser(Assemble, "assemble")
    typed = flags.given(Assemble, parser, flags.arguments(None))
    options = Assemble(**typed)
    run = find_run(Volume.from_environment(), options)
    made = load_exported(run)
    own = made.provenance.get(contract.ORIGINAL_IOU)
    typed = {"iou_threshold": float(own), **typed} if own else typed
    write(run, for_client(typed, made.classes) if options.profile else Assemble(**typed))


def for_client(typed: dict[str, Any], classes: tuple[str, ...]) -> Assemble:
    """The flags with what the client of `--profile` wants where nothing else was typed.

    Raises:
        UserError: a typed flag is not what the client feeds or reads, or it looks for a class that the model lacks.
    """
    profile = profiles.load(typed["profile"])
    if typed.get("channels", profile.channels) != profile.channels:
        given = typed["channels"]
        raise UserError(f"--channels {given} contradicts --profile {profile.name}: its client feeds {profile.channels}")
    wanted: dict[str, Any] = {"channels": profile.channels, **profile.export}
    if profile.classes and "class_order" not in typed:
        wanted["class_order"] = ",".join(profiles.class_order(profile, classes))
    made = Assemble(**{**wanted, **typed})
    order = f", class ids {made.class_order}" if made.class_order else ""
    progress.say(
        f"profile {profile.name}: its client feeds {made.channels.upper()}{order}, scores from {made.score_threshold:g}"
    )
    return made


def write(run: RunFolder, options: Assemble) -> None:
    """Assemble and check the run's model.

    Raises:
        UserError: the run is not exported, or `--class-order` does not name its classes.
        CheckFailed: the core is not one; nothing is written.
    """
    target = Target.of(run, options)
    made = load_exported(run)
    thresholds = Thresholds(options.score_threshold, options.iou_threshold, options.max_detections)
    order = tuple(name.strip() for name in options.class_order.split(",")) if options.class_order else None
    try:
        if isinstance(made, Whole):
            if options.precision != Assemble.precision:
                raise UserError(
                    f"--precision {options.precision}: {run.name!r} keeps its own graph, which stays as it is"
                )
            whole_model = onnx.load(run.whole_onnx)
            model = assemble_whole(whole_model, made, target.name, thresholds, options.channels, order)
        else:
            core_model = precision.prepared(onnx.load(run.core_onnx), made, run, options.precision)
            model = assemble(core_model, made, target.name, thresholds, options.channels, order)
        onnx.checker.check_model(model, full_check=True)
    except DecodeError:
        raise CheckFailed(f"{run.core_onnx} is not an ONNX model: export again") from None
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise CheckFailed(f"{run.core_onnx}: the checker refuses the model around it: {error}") from None
    for key in ("profile", "precision"):
        value = getattr(options, key)
        if value:
            model.metadata_props.add(key=contract.METADATA_PREFIX + key, value=value)
    data = model.SerializeToString(deterministic=True)
    files.write_bytes(target.assembled_onnx, data)
    progress.say(
        f"assembled {target.assembled_onnx}: {len(data) / 1e6:.1f} MB, {len(model.graph.node)} nodes, "
        f"{options.channels.upper()} input, classes {', '.join(order or made.classes)}"
    )


if __name__ == "__main__":
    run_main(main)
