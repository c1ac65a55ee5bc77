"""Opens what holds functions of TensorFlow 2: SavedModels and Keras models. A function is frozen to a graph."""

from __future__ import annotations

from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from converting import frozen, ports
from converting.graphs import Graph
from converting.original import Original, Port, port
from isomer.errors import UserError
from isomer.flags import Convert
from isomer.progress import say


def freeze(function, options: Convert, name: str) -> Original:
    """A concrete function as a frozen graph; its outputs keep the names that it gives them.

    Raises:
        UserError: its input is no picture, or it is too large for one graph.
    """
    try:
        made = convert_variables_to_constants_v2(function, lower_control_flow=False)
        definition = made.graph.as_graph_def()
    except ValueError as error:
        if "2GB" in str(error) or "larger than" in str(error):
            raise UserError(f"{name} has more than 2 GB of weights, more than one graph can hold") from None
        raise
    graph = Graph(definition)
    frozen.check(graph, name)
    imported = ports.imported(definition)
    inputs = [port(imported, tensor.name) for tensor in made.inputs if tensor.dtype.name != "resource"]
    start = ports.choose(inputs, options.inputs, imported)
    found = _outputs(function, made, imported)
    say(f"outputs: {ports.listed(found)}")
    if options.outputs:
        found = ports.named_outputs(imported, options.outputs, found)
    return Original(definition, start, tuple(found))


def _outputs(function, made, imported) -> list[Port]:
    """The outputs under the names of the function's dictionary, else of its tensors."""
    structured = function.structured_outputs
    if isinstance(structured, dict) and len(structured) == len(made.outputs):
        names: list[str | None] = sorted(structured)
    else:
        names = [None] * len(made.outputs)
    return [port(imported, tensor.name, name) for tensor, name in zip(made.outputs, names, strict=True)]
