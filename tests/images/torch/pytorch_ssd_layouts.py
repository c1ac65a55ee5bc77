"""What checkpoints of pytorch-ssd and of the Ultra-Light detectors hold: the real names and shapes, as a compact table.

Written down from the repositories' own definitions, github.com/qfgaohao/pytorch-ssd (vision/ssd, vision/nn) and
github.com/Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB. One line a layer: its name, and `c` for a convolution
without bias, `C` for one with bias, `D` and `d` for those of each channel alone, `n` for a batch norm, `s` for a scale;
then outputs, inputs and kernel.
"""

from __future__ import annotations

import torch
from torch import Tensor

NORM = ("weight", "bias", "running_mean", "running_var")


def shapes(name: str, classes: int) -> dict[str, tuple[int, ...]]:
    """The tensors of a checkpoint by pytorch-ssd's name of the network, for so many classes and the background."""
    found: dict[str, tuple[int, ...]] = {}
    for line in LAYOUTS[name](classes + 1):
        layer, kind, *numbers = line.split()
        found |= _tensors(layer, kind, [int(number) for number in numbers])
    return found


def checkpoint(name: str, classes: int, seed: int = 0) -> dict[str, Tensor]:
    """Random weights with which activations neither vanish nor explode."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for key, shape in shapes(name, classes).items():
        if key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(7)
        elif key.endswith("running_var"):
            state[key] = torch.rand(shape, generator=generator) + 0.5
        elif len(shape) == 4:
            fan = shape[1] * shape[2] * shape[3]
            state[key] = torch.randn(shape, generator=generator) * (2 / fan) ** 0.5
        elif key.endswith(("1.weight", "4.weight", "7.weight", "bn.weight")) or "add_ons" in key:
            state[key] = torch.rand(shape, generator=generator) + 0.5
        else:
            state[key] = torch.randn(shape, generator=generator) * 0.1
    return state


def _tensors(layer: str, kind: str, numbers: list[int]) -> dict[str, tuple[int, ...]]:
    if kind == "n":
        return {f"{layer}.{part}": (numbers[0],) for part in NORM} | {f"{layer}.num_batches_tracked": ()}
    if kind == "s":
        return {f"{layer}.scale": (numbers[0],)}
    outputs, inputs, kernel = (*numbers, *numbers, 3)[:3] if kind in "dD" else numbers
    weight = (outputs, 1 if kind in "dD" else inputs, kernel, kernel)
    return {f"{layer}.weight": weight} | ({f"{layer}.bias": (outputs,)} if kind in "CD" else {})


def _mobilenet(table: tuple[tuple[int, int], ...], first: int) -> list[str]:
    lines = [f"base_net.0.0 c {first} 3 3", f"base_net.0.1 n {first}"]
    for number, (inputs, outputs) in enumerate(table, start=1):
        at = f"base_net.{number}"
        lines += [f"{at}.0 d {inputs}", f"{at}.1 n {inputs}", f"{at}.3 c {outputs} {inputs} 1", f"{at}.4 n {outputs}"]
    return lines


MB1 = (
    *((32, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512)),
    *((512, 512),) * 5,
    *((512, 1024), (1024, 1024)),
)
TINY = (
    *((16, 32), (32, 32), (32, 32), (32, 64), (64, 64), (64, 64), (64, 64)),
    *((64, 128), (128, 128), (128, 128), (128, 256), (256, 256)),
)
# inputs, hidden, outputs; the first block does not expand
MB2 = (
    *((32, 32, 16), (16, 96, 24), (24, 144, 24), (24, 144, 32), (32, 192, 32), (32, 192, 32), (32, 192, 64)),
    *((64, 384, 64),) * 3,
    *((64, 384, 96), (96, 576, 96), (96, 576, 96), (96, 576, 160), (160, 960, 160), (160, 960, 160), (160, 960, 320)),
)
MB2_EXTRAS = ((1280, 256, 512), (512, 128, 256), (256, 128, 256), (256, 64, 64))
VGG = (
    *((0, 64, 3), (2, 64, 64), (5, 128, 64), (7, 128, 128), (10, 256, 128), (12, 256, 256), (14, 256, 256)),
    *((17, 512, 256), (19, 512, 512), (21, 512, 512), (24, 512, 512), (26, 512, 512), (28, 512, 512)),
)
FIRE = ((3, 64, 16, 64), (4, 128, 16, 64), (6, 128, 32, 128), (7, 256, 32, 128))
FIRE += ((9, 256, 48, 192), (10, 384, 48, 192), (11, 384, 64, 256), (12, 512, 64, 256))
EXTRAS = ((256, 512), (128, 256), (128, 256), (128, 256))


def _extras(first: int, table, lite: bool) -> list[str]:
    lines = []
    for number, (few, outputs) in enumerate(table):
        at = f"extras.{number}"
        lines.append(f"{at}.0 C {few} {first} 1")
        lines += [f"{at}.2.0 D {few}", f"{at}.2.2 C {outputs} {few} 1"] if lite else [f"{at}.2 C {outputs} {few} 3"]
        first = outputs
    return lines


def _inverted(at: str, inputs: int, hidden: int, outputs: int, expands: bool = True) -> list[str]:
    lines = [f"{at}.conv.0 c {hidden} {inputs} 1", f"{at}.conv.1 n {hidden}"] if expands else []
    first = 3 if expands else 0
    lines += [f"{at}.conv.{first} d {hidden}", f"{at}.conv.{first + 1} n {hidden}"]
    return [*lines, f"{at}.conv.{first + 3} c {outputs} {hidden} 1", f"{at}.conv.{first + 4} n {outputs}"]


def _headers(channels, counts, answers: int, kind: str, last: str) -> list[str]:
    """kind: `conv`, `lite`, or `norm` for separable with batch norm; last: the kernel of the last header."""
    lines = []
    for family, each in (("classification_headers", answers), ("regression_headers", 4)):
        for number, (inputs, count) in enumerate(zip(channels, counts, strict=True)):
            at, outputs = f"{family}.{number}", count * each
            if number == len(counts) - 1:
                lines.append(f"{at} C {outputs} {inputs} {last}")
            elif kind == "conv":
                lines.append(f"{at} C {outputs} {inputs} 3")
            elif kind == "lite":
                lines += [f"{at}.0 D {inputs}", f"{at}.2 C {outputs} {inputs} 1"]
            else:
                lines += [f"{at}.0 D {inputs}", f"{at}.1 n {inputs}", f"{at}.3 C {outputs} {inputs} 1"]
    return lines


def _mb1(answers: int) -> list[str]:
    channels = (512, 1024, 512, 256, 256, 256)
    return [*_mobilenet(MB1, 32), *_extras(1024, EXTRAS, False), *_headers(channels, [6] * 6, answers, "conv", "3")]


def _mb1_lite(answers: int) -> list[str]:
    channels = (512, 1024, 512, 256, 256, 256)
    return [*_mobilenet(MB1, 32), *_extras(1024, EXTRAS, True), *_headers(channels, [6] * 6, answers, "lite", "1")]


def _mb2(answers: int) -> list[str]:
    lines = ["base_net.0.0 c 32 3 3", "base_net.0.1 n 32"]
    for number, block in enumerate(MB2, start=1):
        lines += _inverted(f"base_net.{number}", *block, expands=number > 1)
    lines += ["base_net.18.0 c 1280 320 1", "base_net.18.1 n 1280"]
    for number, block in enumerate(MB2_EXTRAS):
        lines += _inverted(f"extras.{number}", *block)
    return [*lines, *_headers((576, 1280, 512, 256, 256, 64), [6] * 6, answers, "norm", "1")]


def _vgg(answers: int, norm: str = "n") -> list[str]:
    lines = [f"base_net.{number} C {outputs} {inputs} 3" for number, outputs, inputs in VGG]
    lines += ["base_net.31 C 1024 512 3", "base_net.33 C 1024 1024 1", f"source_layer_add_ons.0 {norm} 512"]
    lines += _extras(1024, EXTRAS, False)
    return [*lines, *_headers((512, 1024, 512, 256, 256, 256), (4, 6, 6, 6, 4, 4), answers, "conv", "3")]


def _squeezenet(answers: int) -> list[str]:
    lines = ["base_net.0 C 64 3 3"]
    for number, inputs, few, each in FIRE:
        at = f"base_net.{number}"
        lines += [f"{at}.squeeze C {few} {inputs} 1"]
        lines += [f"{at}.expand1x1 C {each} {few} 1", f"{at}.expand3x3 C {each} {few} 3"]
    lines += _extras(512, ((256, 512), *EXTRAS), True)
    return [*lines, *_headers((512, 512, 512, 256, 256, 256), [6] * 6, answers, "lite", "1")]


def _slim(answers: int) -> list[str]:
    lines = [*_mobilenet(TINY, 16), "extras.0.0 C 64 256 1", "extras.0.2.0 D 64", "extras.0.2.2 C 256 64 1"]
    return [*lines, *_headers((64, 128, 256, 256), (3, 2, 2, 3), answers, "lite", "3")]


def _rfb(answers: int) -> list[str]:
    block = """branch0.0 8 64 1, branch0.1 16 8 3, branch0.2 16 16 3, branch1.0 8 64 1, branch1.1 16 8 3,
        branch1.2 16 16 3, branch2.0 8 64 1, branch2.1 12 8 3, branch2.2 16 12 3, branch2.3 16 16 3,
        ConvLinear 64 48 1, shortcut 64 64 1"""
    lines = [line for line in _slim(answers) if not line.startswith("base_net.7.")]
    for part in block.split(","):
        at, outputs, *rest = part.split()
        lines += [f"base_net.7.{at}.conv c {outputs} {' '.join(rest)}", f"base_net.7.{at}.bn n {outputs}"]
    return lines


LAYOUTS = {
    "mb1-ssd": _mb1,
    "mb1-ssd-lite": _mb1_lite,
    "mb2-ssd-lite": _mb2,
    "vgg16-ssd": _vgg,
    "vgg16-ssd-l2": lambda answers: _vgg(answers, "s"),
    "sq-ssd-lite": _squeezenet,
    "slim": _slim,
    "RFB": _rfb,
}
