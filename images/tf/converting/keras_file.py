"""Opens a Keras model, `.keras` or `.h5`, of Keras 2 (by tf_keras) or 3: as a function, which tf2onnx can convert."""

from __future__ import annotations

import importlib
import json
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import h5py
import quiet
import tensorflow as tf

from converting import functions
from converting.original import Original
from isomer.errors import UserError
from isomer.flags import Convert
from isomer.progress import say

UNKNOWN = re.compile(
    r"Unknown (?:layer|object|loss|activation function|\w+):? '?(?:\w+>)?(\w+)|"
    r"Could not locate (?:class|function) '?(\w+)",
    re.IGNORECASE,
)
EXPORT = "save it as a SavedModel where it was made (model.export(folder), or tf.saved_model.save) and convert that"


def open_file(path: Path, options: Convert) -> Original:
    """The model in a file of Keras.

    Raises:
        UserError: it is damaged, holds weights only, or needs Python code that is not in it.
    """
    config, version = _described(path)
    _refuse_code(config, path.name)
    keras = _keras(version)
    say(f"{path.name} is of Keras {version or '2'}, opened by {keras.__name__} {keras.__version__}")
    try:
        with quiet.hushed():
            model = keras.models.load_model(path, compile=False, **({"safe_mode": True} if _is_zip(path) else {}))
    except Exception as error:
        raise UserError(_sentence(path.name, error)) from None
    return from_model(model, options, path.name)


def from_model(model: Any, options: Convert, name: str) -> Original:
    """A Keras model of either version as a frozen graph."""
    inputs = model.inputs
    if len(inputs) != 1:
        names = ", ".join(str(one.name) for one in inputs)
        raise UserError(f"{name} has {len(inputs)} inputs ({names}): a detector takes one, a picture")
    shape = [1, *inputs[0].shape[1:]]
    spec = tf.TensorSpec(shape, inputs[0].dtype, name=re.sub(r"\W", "_", str(inputs[0].name).split(":")[0]))

    def call(pictures: tf.Tensor):
        return model(pictures, training=False)

    with quiet.hushed():
        function = tf.function(call, autograph=False).get_concrete_function(spec)
    made = functions.freeze(function, options, name)
    made.about["keep"] = model
    return made


def _keras(version: str) -> Any:
    """The package that reads files of a version of Keras."""
    if version.startswith("3"):
        os.environ["KERAS_BACKEND"] = "tensorflow"
        return importlib.import_module("keras")
    return importlib.import_module("tf_keras")


def _is_zip(path: Path) -> bool:
    return zipfile.is_zipfile(path)


def _described(path: Path) -> tuple[dict, str]:
    """A file's description of its layers, and the version of Keras that wrote it.

    Raises:
        UserError: it is damaged, or there are weights only.
    """
    try:
        if _is_zip(path):
            with zipfile.ZipFile(path) as archive:
                about = json.loads(archive.read("metadata.json"))
                return json.loads(archive.read("config.json")), str(about.get("keras_version", "3"))
        with h5py.File(path) as file:
            config = file.attrs.get("model_config")
            version = str(file.attrs.get("keras_version", "2"))
            layers = len(file.get("model_weights", file))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"{path.name} is damaged, or no file of Keras: {str(error)[:200]}") from None
    if config is None:
        raise UserError(
            f"{path.name} holds only the weights of {layers} layers (save_weights), not the network: give a file of "
            "model.save(), or build the network, load the weights, save all of it, and convert that"
        )
    return json.loads(config), version


def _refuse_code(config: Any, name: str) -> None:
    """Raise UserError for layers that are Python code, which would run when the file is opened."""
    for layer in _members(config):
        if layer.get("class_name") != "Lambda":
            continue
        what = layer.get("config", {}).get("name", "lambda") if isinstance(layer.get("config"), dict) else "lambda"
        raise UserError(
            f"{name}: its layer {what!r} is a Lambda, Python code inside the file that would run when it is opened: "
            f"refused. Write it as a layer of its own, or {EXPORT}"
        )


def _members(value: Any):
    """All dictionaries in a description, however deep."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _members(one)


def _sentence(name: str, error: Exception) -> str:
    """Why Keras cannot open a file, for people."""
    message = " ".join(str(error).split())
    unknown = UNKNOWN.search(message)
    if unknown:
        return f"{name} needs the class {unknown[1] or unknown[2]}, whose code is not in the file: {EXPORT}"
    return f"{name}: Keras cannot open it ({message[:300] or type(error).__name__}); {EXPORT}"
