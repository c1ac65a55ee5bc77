"""A model as it came: a frozen graph, the tensor it takes pictures by, its outputs, and TensorFlow to run it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import quiet
import tensorflow as tf
from PIL import Image
from tensorflow.core.framework.graph_pb2 import GraphDef

from converting.graphs import Graph, full


@dataclass(frozen=True)
class Port:
    """An input or output: its tensor, what the model calls it, type and shape (None: any)."""

    tensor: str
    name: str
    dtype: str
    shape: tuple[int | None, ...] | None

    def __str__(self) -> str:
        shape = "?" if self.shape is None else "x".join("?" if one is None else str(one) for one in self.shape)
        return f"{self.name} {self.dtype} [{shape}]"


@dataclass
class Original:
    """A frozen graph between one input and its outputs, run by TensorFlow.

    Attributes:
        scale: (factor, offset) by which grey levels become what a float input wants, per channel.
        channels: order of the channels that the input wants.
        about: what its maker said: class names and the like.
    """

    definition: GraphDef
    input: Port
    outputs: tuple[Port, ...]
    scale: tuple[np.ndarray, np.ndarray] = (np.float32(1), np.float32(0))
    channels: str = "rgb"
    about: dict = field(default_factory=dict)

    @cached_property
    def graph(self) -> Graph:
        return Graph(self.definition)

    @cached_property
    def session(self) -> tf.compat.v1.Session:
        made = tf.Graph()
        with made.as_default():
            tf.import_graph_def(self.definition, name="")
        # as it stands: what is asked of it differs each time, and rewriting it takes longer than running it
        config = tf.compat.v1.ConfigProto()
        config.graph_options.rewrite_options.disable_meta_optimizer = True
        return tf.compat.v1.Session(graph=made, config=config)

    @property
    def encoded(self) -> bool:
        """It takes files of pictures, not pixels."""
        return self.input.dtype == "string"

    @property
    def height(self) -> int | None:
        return self._side(1, 2)

    @property
    def width(self) -> int | None:
        return self._side(2, 3)

    @property
    def planes_first(self) -> bool:
        """The channels come before height and width."""
        shape = self.input.shape
        return shape is not None and len(shape) == 4 and shape[1] == 3 and shape[3] != 3

    def _side(self, axis: int, planes_axis: int) -> int | None:
        shape = self.input.shape
        if self.encoded or shape is None or len(shape) not in (3, 4):
            return None
        return shape[planes_axis if self.planes_first else axis - (len(shape) == 3)]

    def fits(self, height: int, width: int) -> bool:
        """Pictures of this size can be fed as they are."""
        return self.height in (None, height) and self.width in (None, width)

    def run(self, tensors: Sequence[str], pixels: np.ndarray) -> list[np.ndarray]:
        """Values of tensors for one picture, [height, width, 3], uint8 or grey levels in float32, RGB."""
        return self.values(tensors, {self.input.tensor: self.feed(pixels)})

    def feed(self, pixels: np.ndarray) -> np.ndarray:
        """One picture as the input wants it."""
        if self.channels == "bgr":
            pixels = pixels[..., ::-1]
        if self.encoded:
            return self._encoded(pixels)
        if self.input.dtype in ("uint8", "int8", "int32", "int64"):
            pixels = np.clip(np.rint(pixels), 0, 255)
        else:
            pixels = pixels.astype(np.float32) * self.scale[0] + self.scale[1]
        if self.planes_first:
            pixels = np.moveaxis(pixels, -1, 0)
        batched = self.input.shape is None or len(self.input.shape) == 4
        return (pixels[None] if batched else pixels).astype(self.input.dtype)

    def _encoded(self, pixels: np.ndarray) -> np.ndarray:
        """A picture as a PNG, in a tf.Example where that is what the input is for."""
        stream = io.BytesIO()
        Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8)).save(stream, "PNG")
        data = stream.getvalue()
        parsers = {"ParseExample", "ParseExampleV2", "ParseSingleExample", "DecodeProtoV2"}
        if any(node.op in parsers for node in self.graph.function_nodes()):
            values = {
                "image/encoded": tf.train.BytesList(value=[data]),
                "image/format": tf.train.BytesList(value=[b"png"]),
            }
            features = tf.train.Features(feature={key: tf.train.Feature(bytes_list=one) for key, one in values.items()})
            data = tf.train.Example(features=features).SerializeToString()
        batched = self.input.shape is None or len(self.input.shape) == 1
        return np.array([data] if batched else data, object)

    def values(self, tensors: Sequence[str], feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Values of tensors when others are given."""
        with quiet.hushed():
            return self.session.run([full(one) for one in tensors], {full(key): one for key, one in feeds.items()})

    def dtype(self, tensor: str) -> str:
        return self.session.graph.get_tensor_by_name(full(tensor)).dtype.base_dtype.name

    def tensors_of(self, node: str) -> list[str]:
        """The tensors that a node gives."""
        return [value.name for value in self.session.graph.get_operation_by_name(node).outputs]


def port(graph: tf.Graph, tensor: str, name: str | None = None) -> Port:
    """A tensor of a graph as an input or output."""
    found = graph.get_tensor_by_name(full(tensor))
    shape = tuple(found.shape.as_list()) if found.shape.rank is not None else None
    return Port(found.name, name or found.name.removesuffix(":0"), found.dtype.base_dtype.name, shape)
