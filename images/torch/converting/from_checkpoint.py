"""A checkpoint of a known network to its core."""

from __future__ import annotations

import numpy as np
import onnx_export
import torch
import torchvision
from inference import detections
from models.base import Core
from models.fpn import FpnDetector

from converting import checkpoint, networks
from converting.networks import Found, Size
from isomer.catalogue import Pretrained
from isomer.contract import Preprocessing
from isomer.converting import Conversion, asked, names, resizing
from isomer.converting.source import Source
from isomer.dataset import canonical
from isomer.errors import UserError
from isomer.progress import say
from isomer.run import RunFolder

COCO_IDS = 90


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
    write(conversion, networks.recognise(checkpoint.read(source.opened), source.opened))


def write(conversion: Conversion, found: Found) -> None:
    """Write the core and the native predictions of a network with its weights."""
    options = conversion.options
    own_size, own_classes = _own_run(conversion)
    size = asked.size(options) or found.weights.size or own_size or found.network.size
    _say(found, size, size != found.network.size)
    found, classes = _settle_classes(conversion, found, own_classes)
    detector = found.detector(size)
    height, width = _sides(size)
    if isinstance(detector, FpnDetector):
        say(
            "torchvision itself scales pictures until their shorter side has 800 pixels; here all are made "
            f"{height}×{width} (--resize letterbox keeps their aspect), so small objects may be found less well"
        )
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


def _own_run(conversion: Conversion) -> tuple[int | None, tuple[str, ...] | None]:
    """Input size and class names, where the checkpoint lies in the folder of a training of this data volume."""
    run = RunFolder(conversion.source.opened.resolve().parent.parent)
    if run.path.parent != conversion.volume.runs.resolve() or not (run.path / "config.json").is_file():
        return None, None
    config = run.config()
    dataset = canonical.load(conversion.volume.dataset(config["data"]))
    return config.get("size"), dataset.classes


def _settle_classes(conversion: Conversion, found: Found, own: tuple[str, ...] | None) -> tuple[Found, tuple[str, ...]]:
    """The network without a background that is none of its classes, and what its classes are called."""
    named = found.weights.classes or own
    published = found.network.published
    if published and _is(published, conversion.source):
        say(f"this is {published.file_name} as it was published: COCO's classes, of which ten ids have no name")
        found, named = found.as_published(), names.coco(COCO_IDS)
    if not found.spare:
        return found, conversion.class_names(found.classes, named)
    if conversion.options.classes and len(conversion.class_names(None)) == found.classes:
        return found, conversion.class_names(found.classes)
    count = found.classes
    say(
        f"the first of its {count} class columns is a background that is never found, as torchvision counts; "
        f"--classes with {count} names keeps it"
    )
    found = found.without_first()
    return found, conversion.class_names(found.classes, named)


def _is(published: Pretrained, source: Source) -> bool:
    return published.sha256 is not None and source.sha256.startswith(published.sha256)


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
    why = "as was said" if given else f"{found.network.why}; --size gives another"
    say(f"input {height}×{width}, {why}")


def _sides(size: Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size
