"""A checkpoint of a known network to its core."""

from __future__ import annotations

import numpy as np
import onnx_export
import torch
import torchvision
from inference import detections
from models.base import Core

from converting import checkpoint, networks
from converting.networks import Found, Size
from isomer.contract import Preprocessing
from isomer.converting import Conversion, asked, resizing
from isomer.errors import UserError
from isomer.progress import say


def convert(conversion: Conversion) -> None:
    """Write the core and the native predictions of what the source holds.

    Raises:
        UserError: it holds no weights, or those of no known network; flags that do not go with a checkpoint.
    """
    source, options = conversion.source, conversion.options
    for flag in ("inputs", "outputs", "decoder", "box_order"):
        if getattr(options, flag):
            raise UserError(
                f"--{flag.replace('_', '-')} is for graphs: {source.origin} is a checkpoint, whose network is known"
            )
    found = networks.recognise(checkpoint.read(source.opened), source.opened)
    size = asked.size(options) or found.network.size
    _say(found, size, options.size is not None)
    classes = conversion.class_names(found.classes)
    detector = found.detector(size)
    height, width = _sides(size)
    usual = Preprocessing(layout="NCHW", height=height, width=width, mean=detector.mean, std=detector.std)
    how = asked.preprocessing(options, usual)
    core = Core(detector).eval()
    conversion.write_core(
        onnx_export.export(core, height, width).SerializeToString(deterministic=True),
        Original(core, how).raw,
        detections,
        classes=classes,
        versions={"framework_version": torch.__version__, "torchvision": torchvision.__version__},
        architecture=detector.name,
        **{name: getattr(how, name) for name in ("layout", "height", "width", "mean", "std", "channels", "resize")},
    )


class Original:
    """The network in torch, fed pictures of any size as `how` says."""

    def __init__(self, core: Core, how: Preprocessing) -> None:
        self.core, self.how = core, how

    @torch.no_grad()
    def raw(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`isomer.native.Raw`."""
        prepared = [resizing.prepare(picture, self.how) for picture in pixels]
        images = torch.from_numpy(np.stack([values for values, _ in prepared]))
        boxes, scores = (part.numpy() for part in self.core(images))
        inside = [placed.boxes_in_picture(some) for (_, placed), some in zip(prepared, boxes, strict=True)]
        return np.stack(inside), scores


def _say(found: Found, size: Size, given: bool) -> None:
    """What was recognised, and what is assumed."""
    under = f", under {'.'.join(found.weights.keys)}" if found.weights.keys else ""
    average = " (an average over the steps: what trainings publish)" if found.weights.averaged else ""
    say(f"weights of {found.network.name}, {found.classes} classes{under}{average}")
    height, width = _sides(size)
    why = "as --size says" if given else f"{found.network.why}; --size gives another"
    say(f"input {height}×{width}, {why}")


def _sides(size: Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size
