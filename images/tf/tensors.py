"""A detector's variables by name, and the files that hold values for them.

Names are paths through the Model Garden's objects, as its checkpoints have them: backbone/layer_with_weights-3/gamma,
head/_classifier/bias. Only a pyramid's layers go by their own names, decoder/lateral_3/kernel: their numbers depend on
its levels. Names do not depend on what is trainable.
"""

from __future__ import annotations

import json
import os
import re
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import keras_mobilenet
import numpy as np
import tensorflow as tf
import tf_keras
from pyramid import layer_names

from isomer.dataset import archives
from isomer.errors import UserError

PARTS = ("backbone/", "decoder/", "head/")
NUMBERED = re.compile(r"^decoder/layer_with_weights-(\d+)/")
ABOUT = "isomer"  # the attribute with what a file says of its detector
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"  # how a checkpoint's keys end, except those of an optimizer's slots
ANOTHER_NAME = re.compile(r"layer-\d+")  # layers with weights are there as layer_with_weights-N too
READ = "a run's .h5, a TensorFlow checkpoint (its prefix, folder or .tar.gz), or Keras's MobileNetV2 .h5"


@dataclass(frozen=True)
class Tensors:
    """What a file of weights holds: values by name, and what it says of its detector (`save` writes it)."""

    values: dict[str, np.ndarray]
    about: dict[str, Any]


def variables(model: tf_keras.Model) -> dict[str, tf.Variable]:
    """All variables of a detector by name."""
    found: dict[str, tf.Variable] = {}
    known: set[int] = set()
    pyramid = [] if model.decoder is None else [layer for layer in model.decoder.layers if layer.weights]
    waiting = [(f"decoder/{layer.name}", layer) for layer in pyramid]
    waiting += [("backbone", model.backbone), ("head", model.head)]
    for name, item in waiting:  # grows as it is read: the shortest path to each is its name
        if id(item) in known:
            continue
        known.add(id(item))
        if isinstance(item, tf.Variable):
            found[name] = item
            continue
        children = tf.train.TrackableView.children(item)
        waiting += [(f"{name}/{key}", child) for key, child in children.items() if not ANOTHER_NAME.fullmatch(key)]
    return found


def save(model: tf_keras.Model, path: Path, /, **about: Any) -> None:
    """Write all variables of a detector: an HDF5 file with a data set for each, under its name, and `about` it."""
    with h5py.File(path, "w") as file:
        file.attrs[ABOUT] = json.dumps(about)
        for name, variable in variables(model).items():
            file[name] = variable.numpy()


def restore(model: tf_keras.Model, path: Path) -> None:
    """Give all variables of a detector the values that `save` wrote."""
    with h5py.File(path) as file:
        for name, variable in variables(model).items():
            variable.assign(file[name][()])


def read(path: Path) -> Tensors:
    """The tensors of a file of weights.

    Raises:
        UserError: the file is none of those that can be read, or is damaged.
    """
    try:
        if path.is_file() and h5py.is_hdf5(path):
            return _hdf5(path)
        with _checkpoint(path) as prefix:
            return Tensors(_of_checkpoint(prefix), {})
    except (tf.errors.OpError, OSError, KeyError, tarfile.TarError) as error:
        raise UserError(f"{path} cannot be read as weights: {error}") from None


def _hdf5(path: Path) -> Tensors:
    with h5py.File(path) as file:
        if "layer_names" in file.attrs:
            return Tensors(keras_mobilenet.as_backbone(path, file), {})
        if ABOUT not in file.attrs:
            raise UserError(f"{path} holds no weights that can be read here: {READ}")
        found: dict[str, np.ndarray] = {}
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
        return Tensors(found, json.loads(file.attrs[ABOUT]))


@contextmanager
def _checkpoint(path: Path) -> Iterator[str]:
    """The prefix of the checkpoint that a path means: that very prefix, one of its files, a folder, or an archive."""
    if path.is_file() and tarfile.is_tarfile(path):
        # beside the archive, if may be: a temporary folder in memory may be smaller than a checkpoint
        beside = path.parent if os.access(path.parent, os.W_OK) else None
        with tempfile.TemporaryDirectory(prefix=".unpacked-", dir=beside) as temporary:
            folder = Path(temporary) / "checkpoint"
            archives.unpack(path, folder)
            yield _newest(folder, path)
    elif path.is_dir():
        yield _newest(path, path)
    else:
        prefix = re.sub(r"\.(index|data-\d+-of-\d+)$", "", str(path))
        if not Path(f"{prefix}.index").is_file():
            raise UserError(f"{path} holds no weights that can be read here: {READ}")
        yield prefix


def _newest(folder: Path, path: Path) -> str:
    """The prefix of the checkpoint of the highest step in a folder."""
    found = [index.with_suffix("") for index in folder.rglob("*.index")]
    if not found:
        raise UserError(f"{path} holds no TensorFlow checkpoint (no file *.index); what can be read: {READ}")
    return str(max(found, key=lambda prefix: [int(number) for number in re.findall(r"\d+", prefix.name)]))


def _of_checkpoint(prefix: str) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(prefix)
    # a checkpoint of the model alone has its parts below it
    keys = {re.sub("^model/_?", "", key.removesuffix(VALUE)): key for key in reader.get_variable_to_shape_map()}
    parts = {name: key for name, key in keys.items() if name.startswith(PARTS) and ".OPTIMIZER_SLOT" not in name}
    levels = {name.split("/")[2] for name in parts if name.startswith("head/_cls_norms/")}
    if levels and any(name.startswith("decoder/") for name in parts):
        layers = layer_names(len(levels))
        parts = {
            NUMBERED.sub(lambda match: f"decoder/{layers[int(match[1])]}/", name): key for name, key in parts.items()
        }
    return {name: reader.get_tensor(key) for name, key in parts.items()}
