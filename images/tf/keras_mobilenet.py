"""The MobileNetV2 of Keras's applications as the backbone of the Model Garden's.

Both are the same network with other names, and want other pixels: Keras's (pixel - 127.5) / 127.5, ours normalised by
ImageNet's mean and deviation. The difference goes into the first convolution and its batch norm.
https://github.com/keras-team/keras/blob/v2.15.0/keras/applications/mobilenet_v2.py
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from recipe import MEAN, STD

from isomer.errors import UserError

GREY = 127.5  # Keras's mean and deviation
BLOCKS = 17
FIRST = "backbone/layer_with_weights-0"
NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def as_backbone(path: Path, file: h5py.File) -> dict[str, np.ndarray]:
    """The tensors of an application's .h5, with or without its classifier, by our names.

    Raises:
        UserError: it is another application's, or one of another width.
    """
    layers = {name.decode() if isinstance(name, bytes) else name for name in file.attrs["layer_names"]}
    missing = [layer for layer in _layers() if layer not in layers]
    if missing:
        raise UserError(f"{path} is a Keras file of another network than MobileNetV2: it has no layer {missing[0]!r}")
    tensors = {
        f"{ours}/{variable}": _tensor(file, theirs, variable)
        for theirs, ours in _layers().items()
        for variable in (NORM if "_norm" in ours else (_kernel(theirs),))
    }
    _take_our_pixels(tensors)
    rest = {
        f"keras/{layer}": np.empty(0) for layer in layers - set(_layers()) if len(file[layer].attrs["weight_names"])
    }
    return tensors | rest


def _layers() -> dict[str, str]:
    """Keras's layers to ours."""
    names = {"Conv1": f"{FIRST}/_conv0", "bn_Conv1": f"{FIRST}/_norm0"}
    for block in range(BLOCKS):
        theirs = f"block_{block}_" if block else "expanded_conv_"
        ours = f"backbone/layer_with_weights-{block + 1}"
        if block:  # the first block does not expand
            names |= {f"{theirs}expand": f"{ours}/_conv0", f"{theirs}expand_BN": f"{ours}/_norm0"}
        names |= {f"{theirs}depthwise": f"{ours}/_conv1", f"{theirs}depthwise_BN": f"{ours}/_norm1"}
        names |= {f"{theirs}project": f"{ours}/_conv2", f"{theirs}project_BN": f"{ours}/_norm2"}
    return names


def _kernel(layer: str) -> str:
    return "depthwise_kernel" if layer.endswith("depthwise") else "kernel"


def _tensor(file: h5py.File, layer: str, variable: str) -> np.ndarray:
    group = file[layer]
    for name in group.attrs["weight_names"]:
        name = name.decode() if isinstance(name, bytes) else name
        if name.rpartition("/")[2].partition(":")[0] == variable:
            return group[name][()]
    raise KeyError(f"{layer}/{variable}")


def _take_our_pixels(tensors: dict[str, np.ndarray]) -> None:
    """Make the first layer give for our pixels what it gives for Keras's.

    Exact but for the outermost pixels, where zeros are padded: they mean mid-grey there and ImageNet's mean here.
    """
    kernel = tensors[f"{FIRST}/_conv0/kernel"].astype(np.float64)  # [3, 3, 3, filters], third the colours
    mean, deviation = (np.array(values)[:, None] for values in (MEAN, STD))
    shift = (kernel * (mean - GREY) / GREY).sum(axis=(0, 1, 2))
    tensors[f"{FIRST}/_conv0/kernel"] = (kernel * deviation / GREY).astype(np.float32)
    tensors[f"{FIRST}/_norm0/moving_mean"] = (tensors[f"{FIRST}/_norm0/moving_mean"] - shift).astype(np.float32)
