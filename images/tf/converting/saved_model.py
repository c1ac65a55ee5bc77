"""Opens a SavedModel, of TensorFlow 1 or 2, by one of its signatures."""

from __future__ import annotations

from pathlib import Path

import quiet
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from converting import functions
from converting.original import Original
from isomer.errors import UserError
from isomer.flags import Convert
from isomer.progress import say

USUAL = "serving_default"
ABOUT_PICTURES = ("serving_default", "detect", "predict", "serve")
INTERNAL = "__saved_model_init_op"


def open_folder(folder: Path, options: Convert) -> Original:
    """The model in a SavedModel's folder.

    Raises:
        UserError: it is damaged, its variables are missing, or it has no signature.
    """
    _check(folder)
    try:
        with quiet.hushed():
            loaded = tf.saved_model.load(str(folder))
    except (OSError, ValueError, KeyError, tf.errors.OpError, AttributeError) as error:
        raise UserError(f"{folder.name}: TensorFlow cannot load it: {_first_line(error)}") from None
    signatures = {name: one for name, one in loaded.signatures.items() if name != INTERNAL}
    name = next((one for one in ABOUT_PICTURES if one in signatures), next(iter(signatures), None))
    if name is None:
        raise UserError(
            f"{folder.name} has no signature, so nothing says how it is called: save it again with one "
            "(tf.saved_model.save(model, folder, signatures=function), or model.export(folder) of Keras)"
        )
    for one, function in sorted(signatures.items()):
        say(f"signature {one}{' (taken)' if one == name else ''}: {_described(function)}")
    function = signatures[name]
    made = functions.freeze(function, options, folder.name)
    made.about["keep"] = loaded  # its resources go with it
    return made


def _check(folder: Path) -> None:
    """Raise UserError for what the loader has no plain word for."""
    message = SavedModel()
    try:
        message.ParseFromString((folder / "saved_model.pb").read_bytes())
    except DecodeError:
        raise UserError(f"{folder.name}/saved_model.pb is damaged or cut short: fetch it again") from None
    if not message.meta_graphs:
        raise UserError(f"{folder.name}/saved_model.pb holds no graph: fetch it again")
    variables = folder / "variables"
    wants = any(
        node.op in ("VarHandleOp", "VariableV2") for graph in message.meta_graphs for node in graph.graph_def.node
    )
    if wants and not (variables / "variables.index").is_file():
        raise UserError(
            f"{folder.name} is a SavedModel without its weights: the folder {folder.name}/variables "
            "(variables.index, variables.data-…) must be beside saved_model.pb"
        )
    data = list(variables.glob("variables.data-*"))
    if wants and not data:
        raise UserError(f"{folder.name}/variables has no variables.data-…: fetch the whole folder")


def _described(function) -> str:
    """A signature's inputs and outputs in words."""
    _, inputs = function.structured_input_signature
    ends = [inputs, function.structured_outputs]
    words = [
        ", ".join(f"{key} {spec.dtype.name} {_shape(spec.shape)}" for key, spec in sorted(one.items()))
        for one in (end if isinstance(end, dict) else {} for end in ends)
    ]
    return " -> ".join(words)


def _shape(shape: tf.TensorShape) -> str:
    return "[?]" if shape.rank is None else f"[{'x'.join('?' if one is None else str(one) for one in shape)}]"


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]
