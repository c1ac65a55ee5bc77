"""One order and one set of names for a graph, whatever order and names its maker drew: the same bytes each time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import onnx

from isomer.graph import parts


def canonical(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with nodes in the order in which the outputs need them, named by operator and number (`Conv_0`).

    Inputs and outputs keep their names, free dimensions do not. What no output needs is left out, and so are the
    shapes of what lies between: anyone can infer them. tf2onnx names and merges nodes in the order of Python's sets,
    which differs from run to run.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.name, copy.doc_string, copy.graph.doc_string = "core", "", ""
    _number_dimensions(copy.graph)
    _settle(copy.graph, {item.name: item.name for item in (*copy.graph.input, *copy.graph.output)}, Counter())
    return copy


def _settle(graph: onnx.GraphProto, names: dict[str, str], numbers: Counter[str]) -> None:
    """Order and rename a graph in place.

    names: new ones by old ones, of this graph's inputs and of what it sees of the graphs around it; added to.
    """
    ordered = list(_in_order(graph))
    weights = {tensor.name: tensor for tensor in graph.initializer}
    used: dict[str, onnx.TensorProto] = {}
    for node in ordered:
        node.name = _numbered(node.op_type, numbers)
        for place, name in enumerate(_needs(node)):
            if name in weights and name not in used:
                used[name] = weights[name]
                names.setdefault(name, f"{node.name}.{place}")
        for place, name in enumerate(node.output):
            names.setdefault(name, f"{node.name}:{place}" if place else node.name)
    for node in ordered:
        for inner in _inner(node):
            _settle(inner, names | {item.name: _numbered("Input", numbers) for item in inner.input}, numbers)
        node.input[:] = [name and names[name] for name in node.input]
        node.output[:] = [name and names[name] for name in node.output]
        _replace(node.attribute, _attributes(node))
    for item in graph.output:  # one that is a weight itself
        if item.name in weights:
            used.setdefault(item.name, weights[item.name])
    _replace(graph.node, ordered)
    _replace(graph.initializer, used.values())
    del graph.value_info[:]
    for item in (*graph.input, *graph.output, *graph.initializer):
        item.name = names.setdefault(item.name, item.name)


def _number_dimensions(graph: onnx.GraphProto) -> None:
    """Names for the free dimensions of inputs and outputs in the order in which they come."""
    names: dict[str, str] = {}
    for item in (*graph.input, *graph.output):
        for dimension in item.type.tensor_type.shape.dim:
            if dimension.dim_param:
                dimension.dim_param = names.setdefault(dimension.dim_param, f"dim_{len(names)}")


def _in_order(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes that the outputs need, each after those that it needs."""
    makers = {name: node for node in graph.node for name in node.output if name}
    done: set[str] = set()
    stack = [(item.name, False) for item in reversed(graph.output)]
    while stack:
        name, ready = stack.pop()
        node = makers.get(name)
        if node is None or name in done:
            continue
        if ready:
            done.update(node.output)
            yield node
        else:
            stack.append((name, True))
            stack.extend((need, False) for need in reversed(_needs(node)))


def _needs(node: onnx.NodeProto) -> list[str]:
    """What a node takes, and what the graphs inside it take from around them."""
    inner = [name for graph in _inner(node) for each in parts.nodes(graph) for name in each.input]
    ends = [item.name for graph in _inner(node) for item in graph.output]
    return [*node.input, *inner, *ends]


def _inner(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    return [attribute.g for attribute in _attributes(node) if attribute.HasField("g")]


def _attributes(node: onnx.NodeProto) -> list[onnx.AttributeProto]:
    return sorted(node.attribute, key=lambda attribute: attribute.name)


def _numbered(word: str, numbers: Counter[str]) -> str:
    numbers[word] += 1
    return f"{word}_{numbers[word] - 1}"


def _replace(field, items) -> None:
    """Put other items into a repeated field; copies first, for they may be its own."""
    copies = []
    for item in items:
        copies.append(type(item)())
        copies[-1].CopyFrom(item)
    del field[:]
    field.extend(copies)
