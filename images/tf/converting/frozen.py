"""Opens a frozen graph of TensorFlow 1: a GraphDef whose variables are constants."""

from __future__ import annotations

from pathlib import Path

from google.protobuf.message import DecodeError
from tensorflow.core.framework.graph_pb2 import GraphDef

from converting import ports
from converting.graphs import Graph
from converting.original import Original
from isomer.errors import UserError
from isomer.flags import Convert

VARIABLES = {"Variable", "VariableV2", "VarHandleOp"}
# They touch files or call Python, which no detector needs.
REFUSED = {"PyFunc", "PyFuncStateless", "EagerPyFunc", "ReadFile", "WriteFile"}


def open_file(path: Path, options: Convert) -> Original:
    """The model in a .pb file.

    Raises:
        UserError: it is damaged, not frozen, or its input cannot be found.
    """
    definition = GraphDef()
    try:
        definition.ParseFromString(path.read_bytes())
    except DecodeError:
        raise UserError(f"{path.name} is damaged or cut short: no graph can be read from it; fetch it again") from None
    if not definition.node:
        raise UserError(f"{path.name} holds a graph without nodes: fetch it again")
    return from_definition(definition, options, path.name)


def from_definition(definition: GraphDef, options: Convert, name: str) -> Original:
    """The model that a graph is, its input and outputs found or as the flags say.

    Raises:
        UserError: it is not frozen, TensorFlow refuses it, or its input or outputs cannot be found.
    """
    definition = ports.settle_switches(definition)
    graph = Graph(definition)
    check(graph, name)
    variables = [node.name for node in definition.node if node.op in VARIABLES]
    if variables:
        raise UserError(
            f"{name} is not frozen: {len(variables)} variables ({variables[0]} …) have their values in a checkpoint. "
            "Give the checkpoint (.meta with .index and .data beside it), or freeze the graph first"
        )
    made = ports.imported(definition)
    start = ports.find_input(graph, made, options.inputs)
    found = ports.find_outputs(graph, made, start)
    if options.outputs:
        found = ports.named_outputs(made, options.outputs, found)
    if not found:
        raise UserError(f"nothing in {name} depends on {start.name}: name another input with --inputs")
    return Original(definition, start, tuple(found))


def check(graph: Graph, name: str) -> None:
    """Raise UserError for a graph that touches files or calls Python."""
    for node in graph.function_nodes():
        if node.op in REFUSED:
            raise UserError(
                f"{name}: its node {node.name} ({node.op}) touches files or calls Python, which no detector needs: "
                "not opened. Export the model without it"
            )
