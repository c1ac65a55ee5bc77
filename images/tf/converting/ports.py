"""Inputs and outputs of a graph, found by looking at it (as TensorFlow's summarize_graph did) or as the user says."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef

from converting.graphs import Graph, constant, full, split
from converting.original import Port, port
from isomer.errors import UserError
from isomer.progress import say

PLACEHOLDERS = ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault")
# Nodes that nobody consumes and that are no output.
NO_OUTPUT = {"Const", "NoOp", "Assert", "SaveV2", "RestoreV2", "MergeV2Checkpoints", "Assign", "Print", "PrintV2"}
NO_OUTPUT |= {"AssignVariableOp", "HistogramSummary", "ScalarSummary", "ImageSummary", "MergeSummary", "WriteSummary"}
NO_OUTPUT |= {"VarIsInitializedOp", "LookupTableImportV2", "TensorArrayCloseV3", "ShardedFilename", *PLACEHOLDERS}
NUMBERS = {"float16", "float32", "float64", "uint8", "int8", "int32", "int64"}
SHOWN = 40  # inputs or outputs listed


def imported(definition: GraphDef) -> tf.Graph:
    """The graph in TensorFlow, with shapes.

    Raises:
        UserError: TensorFlow refuses it.
    """
    made = tf.Graph()
    try:
        with made.as_default():
            tf.import_graph_def(definition, name="")
    except (ValueError, tf.errors.OpError) as error:
        message = " ".join(str(error).split())
        unknown = re.search(r"Op type not registered '(\w+)'", message)
        if unknown:
            raise UserError(
                f"the graph has an operator that TensorFlow {tf.__version__} does not know, {unknown[1]}: it "
                "belongs to a library that was loaded beside it; export the model without it, or cut before it"
            ) from None
        raise UserError(f"TensorFlow {tf.__version__} refuses the graph: {message[:300]}") from None
    return made


def settle_switches(definition: GraphDef) -> GraphDef:
    """Placeholders that are no picture get the value they have in use: no training, nothing dropped out."""
    settled = GraphDef()
    settled.CopyFrom(definition)
    for node in settled.node:
        if node.op not in PLACEHOLDERS:
            continue
        kind = tf.as_dtype(node.attr["dtype"].type)
        word = node.name.lower()
        value = None
        if kind == tf.bool and re.search(r"train|phase", word):
            value = False
        elif kind.is_floating and re.search(r"keep_?prob|dropout|rate", word):
            value = 0.0 if re.search(r"rate", word) else 1.0
        if value is not None:
            say(f"input {node.name} is {value}, as in use")
            made = tf.constant(value, kind).numpy()
            node.CopyFrom(constant(node.name, made))
    return settled


def find_input(graph: Graph, made: tf.Graph, wanted: str | None) -> Port:
    """The input that takes pictures.

    Raises:
        UserError: there is none, or none of that name; what there is is listed.
    """
    found = [
        port(made, name) for name, node in graph.nodes.items() if node.op in PLACEHOLDERS and graph.consumers.get(name)
    ]
    return choose(found, wanted, made)


def choose(found: Sequence[Port], wanted: str | None, made: tf.Graph) -> Port:
    """Of several inputs the one that takes pictures, or the tensor that the user wants.

    Raises:
        UserError: there is none, or several could.
    """
    if wanted:
        return port(made, _existing(made, wanted, "--inputs", [one.name for one in found]))
    if not found:
        raise UserError("the graph has no input (no placeholder): name the tensor that takes pictures with --inputs")
    say(f"inputs: {listed(found)}")
    pictures = [one for one in found if _takes_pixels(one)] or [one for one in found if _takes_files(one)]
    if len(pictures) == 1:
        return pictures[0]
    if not pictures and len(found) == 1:
        raise UserError(f"its input is no picture: {found[0]}; name the tensor that takes pictures with --inputs")
    several = [one.name for one in pictures or found]
    raise UserError(f"several inputs ({', '.join(several)}): say which takes pictures with --inputs NAME")


def find_outputs(graph: Graph, made: tf.Graph, start: Port) -> list[Port]:
    """Tensors that depend on the input and that nobody consumes."""
    dependent = graph.after([split(start.tensor)[0]], stops=frozenset())
    waited_for = {split(value)[0] for node in graph.definition.node for value in node.input}
    found: list[Port] = []
    for name, node in graph.nodes.items():
        if name in dependent and node.op not in NO_OUTPUT and name not in waited_for:
            ends = [port(made, tensor.name) for tensor in made.get_operation_by_name(name).outputs]
            found += [one for one in ends if one.dtype in NUMBERS and not _of_loop(one)]
    say(f"outputs: {listed(found)}")
    return found


def named_outputs(made: tf.Graph, words: str, known: Sequence[Port]) -> list[Port]:
    """The outputs of --outputs: names, also as role=NAME; the role becomes the port's name.

    Raises:
        UserError: there is no such tensor.
    """
    found = []
    by_name = {one.name: one.tensor for one in known}
    for word in filter(None, (part.strip() for part in words.split(","))):
        role, _, name = word.rpartition("=")
        tensor = by_name.get(name) or _existing(made, name, "--outputs", list(by_name))
        found.append(port(made, tensor, role or name.removesuffix(":0")))
    return found


def _existing(made: tf.Graph, name: str, flag: str, known: Iterable[str]) -> str:
    try:
        return made.get_tensor_by_name(full(name)).name
    except (KeyError, ValueError):
        names = [operation.name for operation in made.get_operations()]
        near = difflib.get_close_matches(name, names, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"the graph's own are {', '.join(known) or 'none'}"
        raise UserError(f"{flag} {name}: no such tensor in the graph; {hint}") from None


def _of_loop(one: Port) -> bool:
    """What TensorFlow 2's loops give beside what they are there for: counters."""
    return one.shape == () and one.dtype == "int32" and "while/" in one.name


def _takes_files(one: Port) -> bool:
    return one.dtype == "string" and (one.shape is None or len(one.shape) <= 1)


def _takes_pixels(one: Port) -> bool:
    if one.dtype not in ("uint8", "float32", "float16", "int8", "int32"):
        return False
    return one.shape is None or (len(one.shape) in (3, 4) and (3 in one.shape or one.shape[-1] is None))


def listed(found: Sequence[Port]) -> str:
    words = [str(one) for one in found[:SHOWN]]
    return ", ".join(words + [f"and {len(found) - SHOWN} more"] * (len(found) > SHOWN)) or "none"
