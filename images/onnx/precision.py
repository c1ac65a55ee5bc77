"""--precision: a run's core as it is assembled, its constants folded, in float32, float16 or 8 bits."""

from __future__ import annotations

import dataclasses

import onnx
from levels import LIMITS, predict
from optimise import fused, half
from quantise import quantised

from isomer import progress
from isomer.contract import Core, Thresholds
from isomer.converting.reference import dataset_of
from isomer.dataset.canonical import Split
from isomer.evaluation import evaluate
from isomer.graph.assemble import assemble
from isomer.run import RunFolder
from isomer.volume import Volume

MOST_PICTURES = 200  # of the val split, on which the loss of a rounding is measured
SAFETY = 0.5  # share of the gate's limit that may be lost on val: test is another split


def prepared(model: onnx.ModelProto, core: Core, run: RunFolder, precision: str) -> onnx.ModelProto:
    """The core that is assembled.

    Raises:
        CheckFailed: ONNX Runtime does not take it.
    """
    model = fused(model)
    if precision == "fp16":
        return half(model)
    if precision == "int8":
        return _eight_bits(model, core, run)
    return model


def _eight_bits(model: onnx.ModelProto, core: Core, run: RunFolder) -> onnx.ModelProto:
    dataset = dataset_of(Volume.from_environment(), run)
    filled = [name for name, about in dataset.about["splits"].items() if about["images"]]
    train = dataset.split("train" if "train" in filled else filled[0])
    split = dataset.split("val" if "val" in filled else filled[-1])
    split = dataclasses.replace(split, pictures=split.pictures[:MOST_PICTURES])
    truth = _quality(model, core, split)

    def loss(rounded: onnx.ModelProto) -> float:
        return 0.0 if truth is None else truth - (_quality(rounded, core, split) or 0.0)

    if truth is None:
        progress.say(f"int8: the {split.name} split has no boxes, so no layer is looked for that must stay in float")
    made, left = quantised(model, core, train, loss, SAFETY * LIMITS["int8"].quality)
    if left:
        progress.say(f"int8: left in float: {', '.join(left)}")
    return made


def _quality(model: onnx.ModelProto, core: Core, split: Split) -> float | None:
    """mAP of a core on a split; None where the split has no boxes."""
    thresholds = Thresholds().for_evaluation()
    whole = assemble(model, core, "measured", thresholds)
    return evaluate(split, predict(whole, split, thresholds)).mAP
