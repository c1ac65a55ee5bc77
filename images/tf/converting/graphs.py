"""A frozen TensorFlow graph as data: who feeds whom, what depends on what, and parts cut out of it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np
import quiet  # noqa: F401 (before tensorflow)
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.framework.node_def_pb2 import NodeDef

# What they give is known from the shape of what they take.
SHAPE_ONLY = frozenset({"Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike"})
LAYERS = frozenset(
    {"Conv2D", "DepthwiseConv2dNative", "Conv2DBackpropInput", "MatMul", "BatchMatMul", "BatchMatMulV2", "Einsum"}
    | {"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "BiasAdd", "_FusedConv2D", "_FusedMatMul"}
)
NMS = frozenset({"CombinedNonMaxSuppression", "NonMaxSuppressionWithOverlaps", "NonMaxSuppression"}) | {
    f"NonMaxSuppressionV{version}" for version in (2, 3, 4, 5)
}
CONTROL = frozenset({"Enter", "Exit", "Switch", "Merge", "NextIteration", "LoopCond", "RefEnter", "RefSwitch"})
FUNCTIONS = ("body", "cond", "f", "then_branch", "else_branch")  # attributes that name a function


def split(tensor: str) -> tuple[str, int]:
    """`name:1` -> its node and the number of its output; `name` is `name:0`, `^name` the node alone."""
    name, _, number = tensor.lstrip("^").partition(":")
    return name, int(number or 0)


def full(tensor: str) -> str:
    """The name of a tensor with the number of its output, as TensorFlow's sessions want it."""
    return "{}:{}".format(*split(tensor))


class Graph:
    """A GraphDef with its edges. Nodes and tensors are called by their names."""

    def __init__(self, definition: GraphDef) -> None:
        self.definition = definition
        self.nodes: dict[str, NodeDef] = {node.name: node for node in definition.node}
        self._functions = {function.signature.name: function for function in definition.library.function}
        self._operators: dict[str, frozenset[str]] = {}

    @cached_property
    def consumers(self) -> dict[str, list[str]]:
        """For each node, those that take a value of it."""
        found: dict[str, list[str]] = {}
        for node in self.definition.node:
            for value in node.input:
                if not value.startswith("^"):
                    found.setdefault(split(value)[0], []).append(node.name)
        return found

    @cached_property
    def order(self) -> dict[str, int]:
        """For each node, its place in an order in which values are made before they are taken (loops apart)."""
        places: dict[str, int] = {}
        for root in self.nodes:
            stack = [(root, iter(self.nodes[root].input))]
            open_nodes = {root}
            while stack and root not in places:
                name, inputs = stack[-1]
                following = next((split(one)[0] for one in inputs if split(one)[0] not in places), None)
                if following is None or following not in self.nodes:
                    if following is None:
                        places[name] = len(places)
                        stack.pop()
                elif following not in open_nodes:
                    open_nodes.add(following)
                    stack.append((following, iter(self.nodes[following].input)))
        return places

    @cached_property
    def in_frames(self) -> set[str]:
        """Nodes inside TensorFlow 1's loops and branches, whose values a session cannot hand out."""
        loops = self._flood({"Enter", "RefEnter"}, {"Exit", "RefExit"}, set())
        return loops | self._flood({"Switch", "RefSwitch"}, {"Merge"}, loops)

    def _flood(self, first: set[str], last: set[str], apart: set[str]) -> set[str]:
        """From nodes of the operators `first` along the edges to those of the operators `last`, these not included."""
        found: set[str] = set()
        todo = [node.name for node in self.definition.node if node.op in first and node.name not in apart]
        while todo:
            name = todo.pop()
            if name not in found and self.nodes[name].op not in last:
                found.add(name)
                todo += self.consumers.get(name, [])
        return found

    def after(self, starts: Iterable[str], stops: frozenset[str] = SHAPE_ONLY) -> set[str]:
        """Nodes whose values depend on those of `starts` (nodes), themselves among them; not through `stops`."""
        found: set[str] = set()
        todo = list(starts)
        while todo:
            name = todo.pop()
            if name not in found:
                found.add(name)
                todo += [one for one in self.consumers.get(name, ()) if self.nodes[one].op not in stops]
        return found

    def before(self, ends: Iterable[str], stops: Iterable[str] = ()) -> set[str]:
        """Nodes that `ends` (nodes) are computed from, themselves among them; not beyond the nodes `stops`."""
        found: set[str] = set()
        stops = set(stops)
        todo = list(ends)
        while todo:
            name = todo.pop()
            if name not in found and name not in stops:
                found.add(name)
                todo += [split(value)[0] for value in self.nodes[name].input if not value.startswith("^")]
        return found

    def operators(self, name: str) -> frozenset[str]:
        """A node's operator, and those of the functions that it calls."""
        node = self.nodes[name]
        called = {node.attr[key].func.name for key in FUNCTIONS if key in node.attr} | {node.op}
        return frozenset().union({node.op}, *(self._of_function(one) for one in called))

    def _of_function(self, name: str) -> frozenset[str]:
        if name not in self._functions:
            return frozenset()
        if name not in self._operators:
            self._operators[name] = frozenset()  # a function that calls itself
            found: set[str] = set()
            for node in self._functions[name].node_def:
                called = {node.attr[key].func.name for key in FUNCTIONS if key in node.attr} | {node.op}
                found |= {node.op}.union(*(self._of_function(one) for one in called))
            self._operators[name] = frozenset(found)
        return self._operators[name]

    def function_nodes(self) -> Iterable[NodeDef]:
        """All nodes, those of the functions too."""
        yield from self.definition.node
        for function in self.definition.library.function:
            yield from function.node_def


def cut(
    graph: Graph, names: set[str], inputs: dict[str, tuple[str, list[int]]], constants: dict[str, np.ndarray]
) -> GraphDef:
    """The nodes `names` as a graph of their own.

    Args:
        inputs: tensors that become placeholders: name and shape of each.
        constants: values of all other tensors that come from outside.
    """
    made = GraphDef()
    made.versions.CopyFrom(graph.definition.versions)
    made.library.CopyFrom(graph.definition.library)
    renamed = {full(tensor): name for tensor, (name, _) in inputs.items()}
    for name, shape in inputs.values():
        node = made.node.add(name=name, op="Placeholder")
        node.attr["dtype"].type = tf.float32.as_datatype_enum
        node.attr["shape"].shape.CopyFrom(tf.TensorShape(shape).as_proto())
    for tensor, value in constants.items():
        renamed[full(tensor)] = f"constant/{full(tensor).replace(':', '_')}"
        made.node.append(constant(renamed[full(tensor)], value))
    for old in graph.definition.node:
        if old.name not in names:
            continue
        node = made.node.add()
        node.CopyFrom(old)
        for key in ("_class", "_output_shapes"):
            if key in node.attr:
                del node.attr[key]
        kept = [value for value in old.input if not value.startswith("^")]
        node.input[:] = [renamed.get(full(value), value) for value in kept]
    return made


def constant(name: str, value: np.ndarray) -> NodeDef:
    node = NodeDef(name=name, op="Const")
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    node.attr["dtype"].type = tf.as_dtype(value.dtype).as_datatype_enum
    return node


def outside(graph: Graph, names: set[str], but: Iterable[str] = ()) -> list[str]:
    """Tensors that the nodes `names` take from elsewhere, except `but`."""
    excepted = {full(tensor) for tensor in but}
    taken = {
        full(value)
        for name in names
        for value in graph.nodes[name].input
        if not value.startswith("^") and split(value)[0] not in names
    }
    return sorted(taken - excepted)
