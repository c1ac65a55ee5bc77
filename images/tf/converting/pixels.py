"""What a graph does to a picture before its first layer, measured: noise goes in, and what comes out is compared with
every way of resizing that the contract knows, up to a factor and an offset per channel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from converting.graphs import LAYERS, outside, split
from converting.original import Original
from isomer.contract import Preprocessing, Resize
from isomer.converting.resizing import place

PROBES = ((203, 331), (331, 203))  # height, width: neither is scaled by a whole number to a usual input
CLOSE = 0.05  # grey levels: rounding of float32 makes some hundredths
WAYS = tuple(
    Resize(mode=mode, coordinates=coordinates, place=place)
    for mode, places in (("stretch", ("center",)), ("letterbox", ("center", "top_left")))
    for place in places
    for coordinates in ("half_pixel", "asymmetric", "align_corners")
)


@dataclass(frozen=True)
class Measured:
    """What happens to pictures before the tensor `tensor`; as isomer.contract.Preprocessing has it."""

    tensor: str
    layout: str
    height: int
    width: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    channels: str
    resize: Resize

    @property
    def size(self) -> tuple[int, int]:
        return self.height, self.width

    @property
    def described(self) -> Preprocessing:
        values = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "tensor"}
        return Preprocessing(**values)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A picture of noise with everything from fine to coarse, uint8 [height, width, 3]."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (height // 16 + 1, width // 16 + 1, 3)).repeat(16, 0).repeat(16, 1)
    fine = random.integers(0, 256, (height, width, 3))
    return ((coarse[:height, :width] + fine) // 2).astype(np.uint8)


def measure(original: Original, ends: Sequence[str]) -> Measured | None:
    """The last place before the layers where the picture is only resized and normalised; None where there is none.

    Args:
        ends: the tensors that are computed from it.
    """
    tensors = list(_candidates(original, ends))
    fixed = (original.height or original.width) is not None
    sizes = [(original.height or original.width, original.width or original.height)] if fixed else PROBES
    pictures = [noise(*one, seed) for seed, one in enumerate(sizes)]
    runs = [original.run(tensors, picture) for picture in pictures]
    for index in reversed(range(len(tensors))):
        found = [run[index] for run in runs]
        layout = _layout(found)
        if layout is None:
            continue
        maps = [np.moveaxis(one[0], 0, -1) if layout == "NCHW" else one[0] for one in found]
        if len({one.shape for one in maps}) > 1:
            continue
        for way in WAYS[:1] if maps[0].shape[:2] == sizes[0] and fixed else WAYS:
            fitted = _fit(pictures, maps, way)
            if fitted is not None and constant_around(original, tensors[index], ends):
                mean, std, channels, resize = fitted
                return Measured(tensors[index], layout, *maps[0].shape[:2], mean, std, channels, resize)
    return None


def passes_size_on(original: Original) -> bool:
    """Of pictures of different sizes come, before the first layer, maps of different sizes."""
    tensors = list(_candidates(original, [one.tensor for one in original.outputs]))
    runs = [original.run(tensors, noise(*sides)) for sides in PROBES]
    return bool(tensors) and runs[0][-1].shape != runs[1][-1].shape


def constant_around(original: Original, tensor: str, ends: Sequence[str]) -> bool:
    """Behind a tensor, nothing else depends on the picture: it alone decides what the tensors `ends` are."""
    graph = original.graph
    inside = graph.after([split(tensor)[0]]) & graph.before([split(one)[0] for one in ends]) - {split(tensor)[0]}
    dependent = graph.after([split(original.input.tensor)[0]], stops=frozenset()) - graph.in_frames
    around = [one for one in outside(graph, inside, [tensor]) if split(one)[0] in dependent]
    if any(original.dtype(one) in ("variant", "resource") for one in around):
        return False
    height, width = original.height or PROBES[0][0], original.width or PROBES[0][1]
    first, second = (original.run(around, noise(height, width, seed)) for seed in (1, 2))
    return all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))


def _candidates(original: Original, ends: Sequence[str]) -> Iterable[str]:
    """Float tensors between the picture and the first layer, in the order in which they are computed."""
    graph = original.graph
    behind = graph.before([split(tensor)[0] for tensor in ends])
    dependent = graph.after([split(original.input.tensor)[0]]) & behind
    layers = [name for name in dependent if graph.operators(name) & LAYERS]
    # what the layers are computed from, but not from each other
    before = (dependent & graph.before(layers)) - graph.after(layers) - graph.in_frames
    places = graph.order
    for name in sorted(before, key=lambda one: places.get(one, -1)):
        for tensor in original.tensors_of(name):
            rank = original.session.graph.get_tensor_by_name(tensor).shape.rank
            if original.dtype(tensor) == "float32" and rank in (None, 4):
                yield tensor


def _layout(values: Sequence[np.ndarray]) -> str | None:
    shapes = [value.shape for value in values]
    if any(len(shape) != 4 or shape[0] != 1 or min(shape) < 1 for shape in shapes):
        return None
    if all(shape[3] == 3 for shape in shapes):
        return "NHWC"
    return "NCHW" if all(shape[1] == 3 for shape in shapes) else None


def _fit(pictures: Sequence[np.ndarray], maps: Sequence[np.ndarray], way: Resize):
    """Mean, std, channel order and way of resizing that make the maps of the pictures; None if nothing does."""
    height, width = maps[0].shape[:2]
    placed = [place(picture, height, width, way) for picture in pictures]
    given = np.concatenate([one.pixels[one.rows, one.columns].reshape(-1, 3) for one in placed])
    seen = np.concatenate([
        values[one.rows, one.columns].reshape(-1, 3) for values, one in zip(maps, placed, strict=True)
    ])  # fmt: skip
    for channels in ("rgb", "bgr"):
        ordered = seen if channels == "rgb" else seen[:, ::-1]
        factors, offsets = zip(*(np.polyfit(given[:, one], ordered[:, one], 1) for one in range(3)), strict=True)
        if min(factors) <= 0:
            continue
        std = tuple(_round(1 / factor) for factor in factors)
        mean = tuple(_round(-offset / factor) for offset, factor in zip(offsets, factors, strict=True))
        if np.abs(ordered * std + mean - given).max() > CLOSE:
            continue
        resize = _padding(maps, placed, way, mean, std, channels)
        if resize is not None:
            return mean, std, channels, resize
    return None


def _padding(maps, placed, way: Resize, mean, std, channels: str) -> Resize | None:
    """The way of resizing with the grey level around the pictures as it is in the maps."""
    if way.mode != "letterbox":
        return way
    grey = []
    for values, one in zip(maps, placed, strict=True):
        around = np.ones(values.shape[:2], bool)
        around[one.rows, one.columns] = False
        ordered = values[around] if channels == "rgb" else values[around][:, ::-1]
        grey.append(ordered * std + mean)
    levels = np.concatenate(grey)
    if not len(levels) or np.ptp(levels, axis=0).max() > CLOSE:
        return None
    if np.abs(levels - mean).max() <= CLOSE:
        return replace(way, pad=None)
    return replace(way, pad=_round(levels.mean())) if np.ptp(levels) <= CLOSE else None


def _round(value: float) -> float:
    """Six figures, less where that many are only noise."""
    short = float(f"{value:.4g}")
    return short if abs(short - value) <= 2e-6 * max(1.0, abs(value)) else float(f"{value:.7g}")
