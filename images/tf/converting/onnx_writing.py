"""A frozen graph as ONNX by tf2onnx, up the opset ladder, with what it logs taken as what it says."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence

import onnx
import quiet
import tensorflow as tf
import tf2onnx
from tensorflow.core.framework.graph_pb2 import GraphDef

from converting.graphs import full
from isomer.contract import IR_VERSION, OPSET
from isomer.converting import failures
from isomer.converting.failures_tf import TABLE
from isomer.graph.canonical import canonical
from isomer.graph.parts import nodes
from isomer.graph.versions import to_contract

TOOL = f"tf2onnx {tf2onnx.__version__}"


class ToolFailed(Exception):
    """tf2onnx raised or logged an error, or wrote what is no model."""


def write(
    definition: GraphDef, inputs: dict[str, str], outputs: dict[str, str], ladder: Sequence[int] = failures.LADDER
) -> onnx.ModelProto:
    """The graph between `inputs` and `outputs` (new names by tensor) as a model of the contract's opset.

    Raises:
        ConversionFailed: no opset converts it; with cause and cure where the message is known.
    """

    def convert(opset: int) -> onnx.ModelProto:
        def call():
            with tf.Graph().as_default():
                return tf2onnx.convert.from_graph_def(
                    definition, input_names=[*map(full, inputs)], output_names=[*map(full, outputs)], opset=opset
                )

        return checked(call)

    model, opset = failures.climb(TOOL, convert, TABLE, (ToolFailed,), ladder)
    names = {full(key): value for key, value in (inputs | outputs).items()}
    return settle(rename(model, names), opset)


def checked(call: Callable) -> onnx.ModelProto:
    """What a call of tf2onnx writes; what it logs as an error fails too: it goes on then, and writes nonsense.

    Raises:
        ToolFailed: with what it said.
    """
    with logged_errors() as errors, quiet.hushed():
        try:
            model, _ = call()
        except Exception as error:
            raise ToolFailed("; ".join([*errors, str(error) or type(error).__name__])) from error
        if errors:
            raise ToolFailed("; ".join(errors))
        try:
            onnx.checker.check_model(model, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            raise ToolFailed(f"wrote an invalid model: {error}") from error
    return model


@contextlib.contextmanager
def logged_errors() -> Iterator[list[str]]:
    """What tf2onnx logs as an error, each message once."""
    found: list[str] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            message = record.getMessage()
            if record.exc_info and record.exc_info[1]:
                # what it says is which node; why, the exception
                message = f"{record.exc_info[1]}: {message.splitlines()[0]}"
            if record.levelno >= logging.ERROR and message not in found:
                found.append(message)

    logger, keeper = logging.getLogger("tf2onnx"), Keeper()
    logger.addHandler(keeper)
    try:
        yield found
    finally:
        logger.removeHandler(keeper)


def rename(model: onnx.ModelProto, names: dict[str, str]) -> onnx.ModelProto:
    """Inputs and outputs under new names, wherever they are taken: loops take from the graph around them."""
    graph = model.graph
    for node in nodes(graph):
        node.input[:] = [names.get(one, one) for one in node.input]
        node.output[:] = [names.get(one, one) for one in node.output]
    for value in (*graph.input, *graph.output, *graph.value_info):
        value.name = names.get(value.name, value.name)
    return model


def settle(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """The contract's IR version and opset, no operator sets that nothing is of, and the same bytes each time."""
    model = canonical(model)
    used = {node.domain for node in model.graph.node}
    kept = [item for item in model.opset_import if item.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    if opset != OPSET:
        return to_contract(model)
    model.ir_version = IR_VERSION
    return model
