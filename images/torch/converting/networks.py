"""Whose network some weights are: every detector of this image is tried, by names and shapes of its tensors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import models
import torch
from models import mb1_ssd, mb2_ssd_lite, sq_ssd_lite, ultra_light, vgg16_ssd
from models.base import Detector
from models.pytorch_ssd import PytorchSsd
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from converting.checkpoint import Weights
from isomer import catalogue
from isomer.catalogue import Pretrained
from isomer.errors import UserError

Size = int | tuple[int, int]
SHOWN = 4  # tensors that an error names
MULTIPLIERS = (0.25, 0.35, 0.5, 0.75, 1.0, 1.3, 1.4)  # of a MobileNet's channels, as they are published
# Files from before torch 0.4.1 have no counters, TorchScript files have the anchors too: they follow from the rest.
PASSED_OVER = ("num_batches_tracked", "anchors", "priors")
PYTORCH_SSD: tuple[type[PytorchSsd], ...] = (
    mb1_ssd.Model,
    mb1_ssd.Lite,
    mb2_ssd_lite.Model,
    vgg16_ssd.Model,
    vgg16_ssd.L2,
    sq_ssd_lite.Model,
    ultra_light.Slim,
    ultra_light.Rfb,
)
FACE_SIZES = {128: 96, 160: 120, 320: 240, 480: 360, 640: 480, 1280: 960}  # width and height of Ultra-Light inputs
ONE_STAGE = "a detector of two stages ({what}): it cuts its boxes out of the feature maps after an NMS of its own, so \
nothing can be taken out before NMS. Convert a detector of one stage (SSD, SSDLite, RetinaNet, FCOS), or train one"


@dataclass(frozen=True)
class Network:
    """A detector that weights may be of. `make` takes the input's size and the number of classes."""

    name: str
    make: Callable[[Size, int], Detector]
    size: Size  # usual one, pixels
    why: str  # this size
    oblong: bool = True  # takes inputs that are no squares
    published: Pretrained | None = None  # weights


@dataclass(frozen=True)
class Found:
    """A network and its weights, under its own names.

    `spare` is set where the first class column may be a background that the network has no use for: RetinaNet and FCOS
    give every class a number of its own, and torchvision counts a background among them all the same.
    """

    network: Network
    classes: int
    state: dict[str, Tensor]
    weights: Weights
    spare: bool = False

    def detector(self, size: Size) -> Detector:
        """The network for this input, with its weights, ready to be asked.

        Raises:
            UserError: it takes no input of this size.
        """
        if not isinstance(size, int) and size[0] == size[1]:
            size = size[0]
        if not isinstance(size, int) and not self.network.oblong:
            raise UserError(f"--size {size[0]}x{size[1]}: {self.network.name} takes squares here, give one number")
        detector = self.network.make(size, self.classes)
        # a counter that is missing stays as it is
        detector.load_state_dict(detector.state_dict() | self.state)
        return detector.eval()

    def without_first(self) -> Found:
        """The same without the first class."""
        probe = _shapes_of(self.network, self.classes)
        cut = tuple(f"{layer}." for layer in probe.class_layers())
        state = {
            key: _without_first(tensor, self.classes) if key.startswith(cut) else tensor
            for key, tensor in self.state.items()
        }
        return replace(self, classes=self.classes - 1, state=state, spare=False)

    def as_published(self) -> Found:
        """The same where the weights are those of the published file."""
        return replace(self, state=_shapes_of(self.network, self.classes).as_published(self.state))


def recognise(found: list[Weights], path: Path) -> Found:
    """The network whose tensors have the names and shapes of these; of several state dicts the first that fits.

    Raises:
        UserError: none has; the sentence shows the names, and the nearest network's first different tensors.
    """
    nearest: tuple[float, str] = (0.0, "")
    for weights in found:
        for network in _networks(weights.state, path):
            found_one, share, different = _compare(network, weights)
            if found_one:
                return found_one
            if share > nearest[0]:
                nearest = (share, f". Nearest is {network.name}: {different}")
    state = found[0].state
    names = ", ".join(list(state)[:SHOWN])
    reason = _why_not(state)
    if reason:
        raise UserError(f"{path.name} holds the weights of {reason}")
    known = ", ".join(sorted({cls.name for cls in PYTORCH_SSD} | catalogue.load(Path(__file__).parents[1]).keys()))
    raise UserError(
        f"{path.name} holds {len(state)} tensors ({names} …) of no network that is known here ({known}){nearest[1]}. "
        "Export it to ONNX or TorchScript where it was made, and convert that"
    )


def _networks(state: dict[str, Tensor], path: Path) -> Iterator[Network]:
    """All that the weights may be of; the file's name tells some input sizes."""
    is_pytorch_ssd = any("classification_headers." in name for name in state)
    for cls in PYTORCH_SSD if is_pytorch_ssd else ():
        size, why = _face_size(path) if issubclass(cls, ultra_light.Slim) else (300, "as all of pytorch-ssd")
        for multiplier in _multipliers(state):
            name = cls.name if multiplier == 1 else f"{cls.name} × {multiplier:g}"
            yield Network(name, partial(_pytorch_ssd, cls, multiplier), size, why)
    for model in () if is_pytorch_ssd else catalogue.load(Path(__file__).parents[1]).values():
        if model.name not in {cls.name for cls in PYTORCH_SSD}:
            make = partial(models.build, model.name)
            published = model.weights.get("coco")
            yield Network(model.name, make, model.size, "as it was published", oblong=False, published=published)


def _pytorch_ssd(cls: type[PytorchSsd], multiplier: float, size: Size, classes: int) -> Detector:
    return cls(size, classes, multiplier)


def _multipliers(state: dict[str, Tensor]) -> list[float]:
    """Widths that the first convolution may be of."""
    first = next((tensor for key, tensor in state.items() if key.endswith("base_net.0.0.weight")), None)
    if first is None:
        return [1.0]
    channels = len(first)
    exact = [channels / usual for usual in (32, ultra_light.CHANNELS)]
    likely = [each for each in MULTIPLIERS if channels in (int(32 * each), int(ultra_light.CHANNELS * each))]
    return list(dict.fromkeys((*likely, *exact)))


def _face_size(path: Path) -> tuple[tuple[int, int], str]:
    """Height and width of an Ultra-Light detector's input: `version-RFB-640.pth`."""
    for word in re.findall(r"\d+", path.stem):
        if int(word) in FACE_SIZES:
            return (FACE_SIZES[int(word)], int(word)), "by its file's name"
    return (FACE_SIZES[320], 320), "assumed, as most are"


def _compare(network: Network, weights: Weights) -> tuple[Found | None, float, str]:
    """What was found, or the share of the network's tensors that are there alike and the first that are not."""
    probe = _shapes_of(network, 1)
    layer = f"{probe.class_layers()[0]}.weight"
    prefix = _prefix(weights.state, layer)
    if prefix is None:
        return None, 0.0, ""
    state = {key.removeprefix(prefix): item for key, item in weights.state.items() if key.startswith(prefix)}
    state = probe.renamed(state)
    columns, rest = divmod(len(state[layer]), len(probe.state_dict()[layer]) // probe.columns)
    classes = columns - probe.background
    if rest or classes < 0:
        return None, 0.0, ""
    expected = {key: tensor.shape for key, tensor in _shapes_of(network, classes).state_dict().items()}
    wanted = [key for key in expected if not key.endswith(PASSED_OVER)]
    different = [
        f"{key} {_shape(state.get(key))} and not {_shape(expected.get(key))}"
        for key in dict.fromkeys((*wanted, *state))
        if not key.endswith(PASSED_OVER) and (key not in state or state[key].shape != expected.get(key))
    ]
    if not different:
        # our own trainings have no such column
        spare = not probe.background and classes > 1 and "detector" not in (*prefix.split("."), *weights.keys)
        return Found(network, classes, {key: state[key] for key in expected if key in state}, weights, spare), 1.0, ""
    alike = sum(key in state and state[key].shape == expected[key] for key in wanted)
    more = f" and {len(different) - SHOWN} more" if len(different) > SHOWN else ""
    return None, alike / len(wanted), "; ".join(different[:SHOWN]) + more


def _shapes_of(network: Network, classes: int) -> Detector:
    """The network without numbers in it: names and shapes in a tenth of the time."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        return network.make(network.size, classes)


def _without_first(tensor: Tensor, columns: int) -> Tensor:
    """A class layer's weight or bias [anchors × columns, …] without the first column."""
    return tensor.unflatten(0, (-1, columns))[:, 1:].flatten(0, 1)


def _prefix(state: dict[str, Tensor], name: str) -> str | None:
    """What stands before the network's own names: `module.`, `model.`, `detector.`, nothing."""
    ends = [key.removesuffix(name) for key in state if key.endswith(name)]
    return next((end for end in ends if not end or end.endswith(".")), None)


def _shape(tensor: Tensor | torch.Size | None) -> str:
    if tensor is None:
        return "missing"
    return str(list(tensor.shape if isinstance(tensor, Tensor) else tensor))


def _why_not(state: dict[str, Tensor]) -> str | None:
    """Why well-known networks are not converted."""
    text = "\n".join(state)
    if "roi_heads.mask_predictor" in text:
        return ONE_STAGE.format(what="Mask R-CNN")
    if "roi_heads.keypoint_predictor" in text:
        return ONE_STAGE.format(what="Keypoint R-CNN")
    if "roi_heads." in text:
        return ONE_STAGE.format(what="Faster R-CNN")
    if re.search(r"(^|\.)model\.\d+\.(conv|cv\d|m)\.", text, re.MULTILINE):
        return "a YOLO network, whose layers its own project builds: export it there to ONNX, and convert that"
    if re.search(r"(^|\.)class_embed\.", text, re.MULTILINE):
        return "a DETR, which has no anchors and no NMS: export it to ONNX where it was made, and convert that"
    heads = ("fc.weight", "classifier.weight", "classifier.1.weight", "classifier.6.weight", "classifier.3.weight")
    if any(key.endswith(heads) for key in state) and "head" not in text:
        return "a classifier, which finds no boxes; train-torch --weights FILE takes it as a detector's backbone"
    return None
