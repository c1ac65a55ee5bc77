"""Opens a checkpoint of TensorFlow 1 with its MetaGraph (.meta, .index, .data-…): restores and freezes it."""

from __future__ import annotations

from pathlib import Path

import quiet
import tensorflow as tf
from google.protobuf.message import DecodeError

from converting import frozen, ports
from converting.graphs import Graph, split
from converting.original import Original
from isomer.errors import UserError
from isomer.flags import Convert

v1 = tf.compat.v1


def open_prefix(prefix: Path, options: Convert) -> Original:
    """The model of a checkpoint, `prefix` without .meta, .index and .data-….

    Raises:
        UserError: a file is damaged, the graph is one for training, or its input cannot be found.
    """
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        try:
            with quiet.hushed():
                saver = v1.train.import_meta_graph(f"{prefix}.meta", clear_devices=True)
        except (DecodeError, OSError, tf.errors.OpError, ValueError, KeyError) as error:
            raise UserError(f"{prefix.name}.meta cannot be read: {_line(error)}") from None
        nodes = Graph(graph.as_graph_def())
        wanted = _outputs(nodes, graph, options, prefix.name)
        if saver is None:
            raise UserError(f"{prefix.name}.meta has no variables to restore: give the frozen graph, if there is one")
        try:
            with quiet.hushed():
                saver.restore(session, str(prefix))
        except (tf.errors.OpError, ValueError) as error:
            raise UserError(f"{prefix.name}: its weights cannot be restored: {_line(error)}") from None
        with quiet.hushed():
            # it leaves out what `wanted` does not depend on: savers, summaries
            definition = v1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), wanted)
    return frozen.from_definition(definition, options, prefix.name)


def _outputs(nodes: Graph, graph: tf.Graph, options: Convert, name: str) -> list[str]:
    """The nodes that the graph ends in, without those that save, restore and train."""
    start = ports.find_input(nodes, graph, options.inputs)
    if options.outputs:
        known = ports.find_outputs(nodes, graph, start)
        return [split(one.tensor)[0] for one in ports.named_outputs(graph, options.outputs, known)]
    training = [node.name for node in nodes.definition.node if node.op.startswith(("ResourceApply", "Apply"))]
    if training:
        raise UserError(
            f"{name}.meta is a graph for training ({training[0]}): export the graph for inference first "
            "(export_inference_graph.py of the Object Detection API), or name its outputs with --outputs"
        )
    found = ports.find_outputs(nodes, graph, start)
    if not found:
        raise UserError(f"nothing in {name}.meta depends on {start.name}: name another input with --inputs")
    return [split(one.tensor)[0] for one in found]


def _line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]
