"""A graph for one picture made one for any number of them, exactly.

The layers take batches as they are. What comes behind them often does not: shapes with a 1 written in them, boxes of
all pictures in one list. That part is written anew by TensorFlow's own vectorisation (`tf.vectorized_map`), for a
number of pictures that occurs nowhere else in it, which is then struck out of the shapes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import quiet
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
from tf2onnx import tf_loader

from converting.graphs import CONTROL, LAYERS, cut, full, outside, split
from converting.original import Original
from converting.pixels import Measured
from converting.raw import RawTensors
from isomer.contract import CORE_INPUT

PICTURES = 13  # while tracing
TRIED = (1, 3)  # batches that the result is tried with
CLOSE = 1e-5
BOXES, SCORES = "boxes", "scores"


class NotBatched(Exception):
    """The graph does things that depend on there being one picture."""


def core(original: Original, raw: RawTensors, measured: Measured) -> GraphDef:
    """A graph from `images` [n, …] to `boxes` [n, A, 4], fractions, and `scores` [n, A, C] without a background.

    Raises:
        NotBatched: it cannot be made, or gives other values than picture by picture.
    """
    parts = _Parts(original, raw, measured)
    problems = []
    for whole in (False, True):
        with quiet.hushed():
            try:
                made = _free(_traced(parts, whole))
                parts.compare(made)
                return made
            except (NotBatched, ValueError, TypeError, tf.errors.OpError, NotImplementedError) as error:
                problems.append(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)
    raise NotBatched("; ".join(problems))


class _Parts:
    """What lies between the prepared picture and the raw tensors: layers, and what is behind them."""

    def __init__(self, original: Original, raw: RawTensors, measured: Measured) -> None:
        self.original, self.raw, self.measured = original, raw, measured
        graph = original.graph
        self.ends = [full(raw.boxes), full(raw.scores)]
        start = split(measured.tensor)[0]
        self.nodes = graph.after([start]) & graph.before([split(one)[0] for one in self.ends], [start]) - {start}
        loops = sorted({graph.nodes[name].op for name in self.nodes} & CONTROL)
        if loops:
            raise NotBatched(f"loops or branches of TensorFlow 1 ({', '.join(loops)}) between picture and boxes")
        # shapes and anchors are the same for every picture
        taken = outside(graph, self.nodes, [measured.tensor])
        sample = np.zeros((original.height or measured.height, original.width or measured.width, 3), np.uint8)
        self.constants = dict(zip(taken, original.run(taken, sample), strict=True))
        layers = [name for name in self.nodes if graph.nodes[name].op in LAYERS]
        self.layers = graph.before(layers) & self.nodes
        self.rest = self.nodes - self.layers
        self.maps = outside(graph, self.rest, [*self.constants, measured.tensor])

    @property
    def picture(self) -> list[int]:
        sides = [self.measured.height, self.measured.width]
        return [3, *sides] if self.measured.layout == "NCHW" else [*sides, 3]

    def take(self, names: set[str], inputs: dict[str, list[int]]) -> tuple[GraphDef, dict[str, str]]:
        """Nodes as a graph of their own with placeholders for `inputs` (tensors and shapes), and their names."""
        called = {tensor: f"in/{number}" for number, tensor in enumerate(inputs)}
        constants = {key: value for key, value in self.constants.items() if key in self._taken(names)}
        ports = {tensor: (called[tensor], shape) for tensor, shape in inputs.items()}
        return cut(self.original.graph, names, ports, constants), called

    def _taken(self, names: set[str]) -> set[str]:
        return set(outside(self.original.graph, names))

    def finish(self, boxes: tf.Tensor, scores: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """As RawTensors.settle, in the graph."""
        boxes = tf.cast(tf.reshape(boxes, [self.raw.anchors, 4]), tf.float32)
        if self.raw.order == "xyxy":
            boxes = tf.gather(boxes, [1, 0, 3, 2], axis=1)
        scores = tf.cast(tf.reshape(scores, [self.raw.anchors, self.raw.classes]), tf.float32)
        if self.raw.pixels:
            sides = [self.measured.height, self.measured.width] * 2
            boxes = boxes / tf.constant(sides, tf.float32)
        return boxes, scores[:, 1:] if self.raw.background else scores

    def compare(self, made: GraphDef) -> None:
        """Raise NotBatched unless a batch gives what the original gives picture by picture."""
        random = np.random.default_rng(0)
        spread = np.array(self.measured.std, np.float32).mean()
        prepared = random.uniform(-127 / spread, 127 / spread, (max(TRIED), *self.picture)).astype(np.float32)
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(made, name="")
        feeds = {full(one): self._any_picture() for one in [self.original.input.tensor]}
        with tf.compat.v1.Session(graph=graph) as session:
            for count in TRIED:
                found = session.run([f"{BOXES}:0", f"{SCORES}:0"], {f"{CORE_INPUT}:0": prepared[:count]})
                for index in range(count):
                    feeds[full(self.measured.tensor)] = prepared[index : index + 1]
                    values = self.original.values(self.ends, feeds)
                    wanted = self.raw.settle(*values, self.measured.height, self.measured.width)
                    for one, other, name in zip(found, wanted, (BOXES, SCORES), strict=True):
                        worst = float(np.abs(one[index] - other).max())
                        if not worst <= CLOSE * max(1.0, float(np.abs(other).max())):
                            raise NotBatched(f"{name} of a batch of {count} differ by {worst:.2g} from one by one")

    def _any_picture(self) -> np.ndarray:
        height = self.original.height or self.measured.height
        width = self.original.width or self.measured.width
        return self.original.feed(np.zeros((height, width, 3), np.uint8))


def _traced(parts: _Parts, whole: bool) -> GraphDef:
    """The graph for PICTURES pictures; with `whole`, the layers too are vectorised."""
    start = full(parts.measured.tensor)

    def one_by_one(names: set[str], inputs: list[str]) -> Callable:
        def compute(*values: tf.Tensor):
            shapes = {tensor: [1, *value.shape] for tensor, value in zip(inputs, values, strict=True)}
            definition, called = parts.take(names, shapes)
            feeds = {called[tensor]: value[None] for tensor, value in zip(inputs, values, strict=True)}
            return parts.finish(*tf.graph_util.import_graph_def(definition, feeds, parts.ends, name=""))

        return compute

    def batched(images: tf.Tensor):
        if whole:
            return _vectorised(one_by_one(parts.nodes, [start]), [images])
        definition, called = parts.take(parts.layers, {start: images.shape.as_list()})
        _widen(definition)
        wanted = [full(one) for one in parts.maps]
        maps = tf.graph_util.import_graph_def(definition, {called[start]: images}, wanted, name="")
        if any(one.shape.rank is None or one.shape[0] != PICTURES for one in maps):
            raise NotBatched("the layers do not keep pictures apart")
        return _vectorised(one_by_one(parts.rest, wanted), maps)

    signature = [tf.TensorSpec([PICTURES, *parts.picture], tf.float32, name=CORE_INPUT)]
    made = tf.function(batched, input_signature=signature, autograph=False).get_concrete_function()
    frozen = convert_variables_to_constants_v2(made)
    definition = frozen.graph.as_graph_def()
    for name, tensor in zip((BOXES, SCORES), frozen.outputs, strict=True):
        node = definition.node.add(name=name, op="Identity", input=[tensor.name])
        node.attr["T"].type = tf.float32.as_datatype_enum
    with tf.Graph().as_default():
        return tf_loader.tf_optimize([f"{CORE_INPUT}:0"], [f"{BOXES}:0", f"{SCORES}:0"], definition)


def _vectorised(compute: Callable, values: list[tf.Tensor]):
    return tf.vectorized_map(lambda each: compute(*each), tuple(values), fallback_to_while_loop=False)


def _widen(definition: GraphDef) -> None:
    """Shapes with a batch of 1 written in them, as upsampling in pyramids has them, get one of PICTURES."""
    constants = {node.name: node for node in definition.node if node.op == "Const"}
    for node in definition.node:
        if node.op in ("Reshape", "BroadcastTo") and split(node.input[1])[0] in constants:
            tensor = constants[split(node.input[1])[0]].attr["value"].tensor
            shape = tf.make_ndarray(tensor)
            if shape.ndim == 1 and len(shape) > 2 and shape[0] == 1:
                tensor.CopyFrom(tf.make_tensor_proto(np.array([PICTURES, *shape[1:]], shape.dtype)))


def _free(definition: GraphDef) -> GraphDef:
    """Strike PICTURES out of the shapes: any number of pictures."""
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(definition, name="")
    constants = {node.name: node for node in definition.node if node.op == "Const"}
    for node in definition.node:
        if node.op == "Placeholder":
            node.attr["shape"].shape.dim[0].size = -1
        if node.op != "Reshape" or split(node.input[1])[0] not in constants:
            continue
        tensor = constants[split(node.input[1])[0]].attr["value"].tensor
        shape = tf.make_ndarray(tensor)
        if shape.ndim == 1 and len(shape) and shape[0] == PICTURES:
            known = graph.get_tensor_by_name(f"{node.name}:0").shape.as_list()
            tensor.CopyFrom(tf.make_tensor_proto(np.array([-1, *known[1:]], shape.dtype)))
    for node in definition.node:
        if "_output_shapes" in node.attr:
            del node.attr["_output_shapes"]
    return definition
