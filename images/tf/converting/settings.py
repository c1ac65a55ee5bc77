"""The numbers that a graph's own NMS works with, read from its nodes."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf
from tensorflow.core.framework.node_def_pb2 import NodeDef

from converting.graphs import CONTROL, FUNCTIONS, NMS, Graph

# Places of the arguments: IoU threshold, score threshold.
PLACES = {"CombinedNonMaxSuppression": (4, 5), "NonMaxSuppressionV2": (3, None)}
USUAL = (3, 4)
PASSED_ON = CONTROL | {"Identity", "Cast", "Reshape", "Squeeze"}


@dataclass(frozen=True)
class Settings:
    """What the graph's NMS does; None where the graph does not tell."""

    operator: str
    iou: float | None
    score: float | None


@dataclass
class _Scope:
    """The graph itself or one of its functions: its nodes, its arguments, and who calls it from where."""

    nodes: dict[str, NodeDef]
    arguments: list[str]
    caller: NodeDef | None = None
    outer: _Scope | None = None


def read(graph: Graph) -> Settings | None:
    """The settings of the graph's NMS; None where it has none of TensorFlow's."""
    for scope in _scopes(graph):
        for node in scope.nodes.values():
            if node.op == "NonMaxSuppression":
                return Settings(node.op, node.attr["iou_threshold"].f, None)
            if node.op in NMS:
                iou, score = (_value(scope, node, place) for place in PLACES.get(node.op, USUAL))
                return Settings(node.op, iou, score)
    return None


def _scopes(graph: Graph) -> list[_Scope]:
    main = _Scope(graph.nodes, [])
    named = {
        function.signature.name: _Scope(
            {node.name: node for node in function.node_def}, [one.name for one in function.signature.input_arg]
        )
        for function in graph.definition.library.function
    }
    for scope in (main, *named.values()):
        for node in scope.nodes.values():
            for called in [node.attr[key].func.name for key in FUNCTIONS if key in node.attr] + [node.op]:
                if called in named:
                    named[called].caller, named[called].outer = node, scope
    return [main, *named.values()]


def _value(scope: _Scope, node: NodeDef, place: int | None) -> float | None:
    """An argument of a node, if it is a constant, passed on or not."""
    inputs = [value.split(":")[0] for value in node.input if not value.startswith("^")]
    if place is None or place >= len(inputs):
        return None
    name = inputs[place]
    if name in scope.arguments and scope.caller is not None and scope.outer is not None:
        return _value(scope.outer, scope.caller, scope.arguments.index(name))
    source = scope.nodes.get(name)
    if source is None:
        return None
    if source.op == "Const":
        return float(tf.make_ndarray(source.attr["value"].tensor))
    return _value(scope, source, 0) if source.op in PASSED_ON else None
