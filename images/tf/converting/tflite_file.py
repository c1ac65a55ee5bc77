"""A TensorFlow Lite file: its graph as data, cut where it is wanted, and run by TensorFlow's own interpreter."""

from __future__ import annotations

import struct
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import quiet
import tensorflow as tf
from flatbuffers import flexbuffers
from tensorflow.lite.tools import flatbuffer_utils

from converting.tensor import Tensor
from isomer.errors import UserError

IDENTIFIER = b"TFL3"
POSTPROCESS = "TFLite_Detection_PostProcess"


@dataclass(frozen=True)
class Postprocess:
    """The custom operator with decoding and NMS: what it takes (tensors' numbers), and its options.

    Encodings are (y, x, h, w) divided by `scales`, relative to anchors of the same order.
    """

    encodings: int
    scores: int
    anchors: int
    scales: tuple[float, float, float, float]
    classes: int
    iou: float
    score: float
    regular: bool


class TfliteFile:
    """A file, read once."""

    def __init__(self, path: Path) -> None:
        """Raises UserError: damaged, of another schema, or with operators that TensorFlow Lite does not have."""
        self.name = path.name
        self.content = path.read_bytes()
        if self.content[4:8] != IDENTIFIER:
            found = self.content[4:8].decode("ascii", "replace")
            raise UserError(
                f"{path.name} is of the schema {found!r}, not TFL3: convert the model to TensorFlow Lite anew"
            )
        try:
            self.model = flatbuffer_utils.read_model_from_bytearray(bytearray(self.content))
            self.graph = self.model.subgraphs[0]
        except (struct.error, IndexError, TypeError, ValueError, AttributeError, KeyError):
            raise UserError(f"{path.name} is damaged or cut short: fetch it again") from None
        self._with_labels = path if zipfile.is_zipfile(path) else None

    @cached_property
    def interpreter(self) -> Any:
        """TensorFlow's reference kernels, every tensor kept."""
        try:
            with quiet.hushed(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                made = tf.lite.Interpreter(
                    model_content=self.content,
                    experimental_preserve_all_tensors=True,
                    experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                )
                made.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            message = " ".join(str(error).split())
            if "custom op" in message or "Flex" in message:
                raise UserError(
                    f"{self.name} has operators that TensorFlow Lite itself does not have ({message[:200]}): convert "
                    "the model that it was made from"
                ) from None
            raise UserError(f"{self.name}: TensorFlow Lite refuses it: {message[:300]}") from None
        return made

    @cached_property
    def tensors(self) -> dict[int, Tensor]:
        found = {}
        for one in self.interpreter.get_tensor_details():
            scale, zero = one["quantization"]
            kind = np.dtype(one["dtype"]).name
            shape, signature = (tuple(int(side) for side in one[key]) for key in ("shape", "shape_signature"))
            found[one["index"]] = Tensor(one["index"], one["name"], kind, shape, signature, float(scale), int(zero))
        return found

    @property
    def inputs(self) -> list[Tensor]:
        return [self.tensors[index] for index in self.graph.inputs]

    @property
    def outputs(self) -> list[Tensor]:
        return [self.tensors[index] for index in self.graph.outputs]

    def operator(self, node: Any) -> str:
        """The name of a node's operator."""
        code = self.model.operatorCodes[node.opcodeIndex]
        return (
            code.customCode.decode()
            if code.customCode
            else flatbuffer_utils.opcode_to_name(self.model, node.opcodeIndex)
        )

    def postprocess(self) -> Postprocess | None:
        """The node with decoding and NMS, if there is one."""
        for node in self.graph.operators:
            if self.operator(node) != POSTPROCESS:
                continue
            options = flexbuffers.Loads(bytes(bytearray(node.customOptions)))
            return Postprocess(
                *(int(index) for index in node.inputs[:3]),
                scales=tuple(float(options[f"{one}_scale"]) for one in "yxhw"),
                classes=int(options["num_classes"]),
                iou=float(options["nms_iou_threshold"]),
                score=float(options["nms_score_threshold"]),
                regular=bool(options.get("use_regular_nms", False)),
            )
        return None

    def labels(self) -> tuple[str, ...] | None:
        """The list of names that lies in the file's own archive, as TensorFlow Lite's metadata has it."""
        if self._with_labels is None:
            return None
        with zipfile.ZipFile(self._with_labels) as archive:
            lists = [name for name in archive.namelist() if name.lower().endswith(".txt")]
            if len(lists) != 1:
                return None
            text = archive.read(lists[0]).decode("utf-8", "replace")
        names = [line.strip() for line in text.splitlines()]
        while names and not names[-1]:
            names.pop()
        return tuple(name or f"class {number}" for number, name in enumerate(names, 1)) or None

    def constant(self, index: int) -> np.ndarray:
        """Real values of a tensor that the file holds."""
        return self.tensors[index].real(self.interpreter.get_tensor(index)).astype(np.float32)

    def run(self, picture: np.ndarray, wanted: Sequence[int]) -> list[np.ndarray]:
        """Real values of tensors for the input's values, [1, …] in its own type."""
        self.interpreter.set_tensor(self.inputs[0].index, picture)
        self.interpreter.invoke()
        return [self.tensors[index].real(self.interpreter.get_tensor(index)) for index in wanted]

    def cut(self, wanted: Sequence[int]) -> bytes:
        """A file with these tensors as its outputs and only the nodes that they need."""
        model = flatbuffer_utils.read_model_from_bytearray(bytearray(self.content))
        graph = model.subgraphs[0]
        needed, kept = set(wanted), []
        for node in reversed(graph.operators):
            if needed & {int(index) for index in node.outputs}:
                kept.append(node)
                needed |= {int(index) for index in node.inputs if index >= 0}
        graph.operators = kept[::-1]
        graph.outputs = list(wanted)
        model.signatureDefs, model.metadata = [], []
        return bytes(flatbuffer_utils.convert_object_to_bytearray(model))
