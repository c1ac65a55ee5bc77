"""An ONNX model made elsewhere, as its maker left it: what it takes, and what it gives for a picture."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass, replace
from pathlib import Path

import external
import numpy as np
import onnx
from identify import in_words
from onnx import helper, numpy_helper
from onnxruntime import InferenceSession
from session import open_session, run

from isomer.contract import Preprocessing, Resize
from isomer.converting import asked
from isomer.converting.resizing import Placed, prepare
from isomer.errors import CheckFailed, UserError, known
from isomer.flags import Convert
from isomer.progress import say

DEFAULT_SIDE = 640  # pixels, where a graph takes any size: what detectors with free sizes are trained with
NUMBERS = ("float32", "float16", "float64", "uint8", "int32", "int64")


@dataclass(frozen=True)
class PictureInput:
    """The input that takes the picture.

    rank: 4, or 3 for a graph without a batch axis. batch: what it is fixed to; None where it is free.
    """

    name: str
    dtype: str
    rank: int
    batch: int | None
    layout: str
    height: int | None
    width: int | None


class Original:
    """The model in ONNX Runtime, on uint8 pictures of any size.

    Attributes:
        model: with all weights inside and one input.
        input: the picture's.
        how: what a picture goes through first; `with_preprocessing` gives it another.
    """

    def __init__(self, model: onnx.ModelProto, session: InferenceSession, taken: PictureInput, how: Preprocessing):
        self.model, self.session, self.input, self.how = model, session, taken, how
        self.outputs = tuple(item.name for item in session.get_outputs())

    def with_preprocessing(self, how: Preprocessing) -> Original:
        return Original(self.model, self.session, self.input, how)

    def place(self, pixels: np.ndarray) -> tuple[np.ndarray, Placed | None]:
        """One picture, uint8 [h, w, 3] RGB, as the graph takes it, and where it lies in that; None where it fills it.

        Raises:
            CheckFailed: the graph cannot take it.
        """
        if self.how.resize.mode == "none":
            own = replace(self.how, height=pixels.shape[0], width=pixels.shape[1], resize=Resize())
            return self._typed(prepare(pixels, own)[0]), None
        values, placed = prepare(pixels, self.how)
        return self._typed(values), placed if self.how.resize.mode == "letterbox" else None

    def __call__(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """All outputs for one picture as `place` gives it."""
        if self.input.rank == 4:
            values = np.repeat(values[None], self.input.batch or 1, axis=0)
        found = dict(zip(self.outputs, run(self.session, **{self.input.name: values}), strict=True))
        if (self.input.batch or 1) > 1:
            found = {
                name: array[:1] if array.ndim and len(array) == len(values) else array for name, array in found.items()
            }
        return found

    def _typed(self, values: np.ndarray) -> np.ndarray:
        if self.input.dtype.startswith("float"):
            return values.astype(self.input.dtype)
        return np.rint(values).astype(self.input.dtype)

    def metadata_names(self) -> list[str] | None:
        """Class names in the file's metadata, as ultralytics and others write them."""
        for key in ("names", "classes", "class_names", "labels"):
            text = next((item.value for item in self.model.metadata_props if item.key == key), "")
            for parse in (json.loads, ast.literal_eval):
                try:
                    value = parse(text)
                except (ValueError, SyntaxError):
                    continue
                if isinstance(value, dict):
                    value = [value[key] for key in sorted(value, key=int)]
                if isinstance(value, list) and value and all(isinstance(name, str) for name in value):
                    return value
        return None

    def metadata(self, key: str) -> str:
        return next((item.value for item in self.model.metadata_props if item.key == key), "")


def load(path: Path, options: Convert) -> Original:
    """Open a model, find its picture input, and settle the size of what it takes.

    Raises:
        UserError: it takes no colour pictures, or several things; a flag names what is not there.
        CheckFailed: ONNX Runtime does not take it.
    """
    model = onnx.load(path, load_external_data=False)
    external.take_in(model, path)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in weights]
    taken = _picture_input(inputs, options)
    height, width, mode = _settle_size(model, taken, options)
    for item in inputs:
        if item.name != taken.name:
            _fix(model, item, height, width)
    try:
        session = open_session(model)
    except CheckFailed as error:
        raise CheckFailed(f"{path.name}: {error}") from None
    resize = Resize(mode="none") if mode == "none" else Resize()
    how = Preprocessing(layout=taken.layout, height=height, width=width, mean=(0.0,) * 3, std=(1.0,) * 3, resize=resize)
    return Original(model, session, taken, how)


def _picture_input(inputs: list[onnx.ValueInfoProto], options: Convert) -> PictureInput:
    found = {item.name: _as_picture(item) for item in inputs}
    if options.inputs:
        if options.inputs not in found:
            raise known("input (--inputs)", options.inputs, found)
        chosen = found[options.inputs]
        if chosen is None:
            raise UserError(f"--inputs {options.inputs}: it takes no colour pictures")
        return chosen
    pictures = [item for item in found.values() if item is not None]
    words = "; ".join(in_words(item) for item in inputs) or "none"
    if not pictures:
        raise UserError(f"the model takes no colour pictures (its inputs: {words}): is it a detector?")
    if len(pictures) > 1:
        raise UserError(f"the model takes several pictures (its inputs: {words}): say which with --inputs NAME")
    return pictures[0]


def _as_picture(item: onnx.ValueInfoProto) -> PictureInput | None:
    """The input as one that takes a picture of three channels; None if it cannot be."""
    tensor = item.type.tensor_type
    if not tensor.elem_type or not tensor.HasField("shape"):
        return None
    dtype = str(helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    dims = [dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in tensor.shape.dim]
    if len(dims) not in (3, 4) or dtype not in NUMBERS:
        return None
    picture = dims[-3:]
    if picture[0] == 3 and picture[2] != 3:
        layout = "NCHW"
    elif picture[2] == 3:
        layout = "NHWC"
    elif any(side in (1, 2, 4) for side in (picture[0], picture[2])) or picture.count(None) < 2:
        return None
    else:
        layout = "NHWC" if dtype == "uint8" else "NCHW"
    height, width = picture[1:] if layout == "NCHW" else picture[:2]
    batch = dims[0] if len(dims) == 4 else 1
    return PictureInput(item.name, dtype, len(dims), batch, layout, height, width)


def _settle_size(model: onnx.ModelProto, taken: PictureInput, options: Convert) -> tuple[int, int, str]:
    """Height and width that pictures are made, and whether they are ("" or "none")."""
    given = asked.size(options)
    if taken.height and taken.width:
        if given and given != (taken.height, taken.width):
            raise UserError(
                f"--size {options.size}: the graph takes {taken.height}x{taken.width} and nothing else; leave it out"
            )
        return taken.height, taken.width, ""
    if given:
        return *given, ""
    # a free size in bytes, or without a batch: such graphs resize by themselves
    if taken.dtype == "uint8" or taken.rank == 3:
        return 0, 0, "none"
    sides = next((item.value for item in model.metadata_props if item.key == "imgsz"), "")
    numbers = [int(word) for word in sides.strip("[]() ").replace(",", " ").split() if word.isdigit()]
    height, width = (numbers * 2)[:2] if numbers else (DEFAULT_SIDE, DEFAULT_SIDE)
    say(f"the graph takes any size: {taken.height or height}x{taken.width or width} is taken; --size says another")
    return taken.height or height, taken.width or width, ""


def _fix(model: onnx.ModelProto, item: onnx.ValueInfoProto, height: int, width: int) -> None:
    """Make a further input a constant, where it asks for the picture's size or scale.

    Raises:
        UserError: it asks for something else.
    """
    tensor = item.type.tensor_type
    dims = [dim.dim_value or 1 for dim in tensor.shape.dim]
    name = item.name.lower()
    if not dims or int(np.prod(dims)) != 2 or not height:
        raise UserError(
            f"the model takes more than a picture ({in_words(item)}): export it with pictures alone, or without its "
            "post-processing"
        )
    # detection transformers want width and height, all others height and width
    sizes = [width, height] if "target" in name else [height, width]
    values = np.array([1, 1] if "scale" in name else sizes).reshape(dims)
    say(f"input {item.name} is fixed to {values.ravel().tolist()}")
    kind = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    model.graph.initializer.append(numpy_helper.from_array(values.astype(kind), item.name))
    model.graph.input.remove(item)
