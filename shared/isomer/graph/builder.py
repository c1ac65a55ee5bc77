"""A thin layer over onnx.helper: every operator of a graph is one call that returns its output's name."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper


class GraphBuilder:
    """Collects nodes and initializers; every name gets `prefix/`, so that parts never collide when merged."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}

    def op(self, op_type: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Append a node with one output and return the output's name (`output`, where a name must be known)."""
        return self._append(op_type, inputs, [output or self._fresh(op_type)], attributes)[0]

    def pair(self, op_type: str, *inputs: str, first: str | None = None, **attributes: Any) -> tuple[str, str]:
        """Append a node with two outputs; `first` names the first one."""
        name = self._fresh(op_type)
        one, two = self._append(op_type, inputs, [first or f"{name}_0", f"{name}_1"], attributes)
        return one, two

    def constant(self, name: str, value: np.ndarray) -> str:
        """An initializer `prefix/name`; the same name always holds the same value."""
        return self.named_constant(f"{self.prefix}/{name}", value)

    def named_constant(self, name: str, value: np.ndarray) -> str:
        """An initializer of exactly this name."""
        tensor = numpy_helper.from_array(value, name)
        if self.initializers.setdefault(name, tensor) != tensor:
            raise ValueError(f"initializer {name} holds another value already")
        return name

    def ints(self, *values: int) -> str:
        """An int64 vector: axes, shapes, indices."""
        return self.constant("_".join(["ints", *map(str, values)]), np.array(values, np.int64))

    def floats(self, *values: float) -> str:
        """A float32 vector."""
        return self.constant("_".join(["floats", *map(str, values)]), np.array(values, np.float32))

    def graph(self, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]) -> onnx.GraphProto:
        return helper.make_graph(self.nodes, self.prefix, inputs, outputs, list(self.initializers.values()))

    def _fresh(self, op_type: str) -> str:
        return f"{self.prefix}/{op_type}_{len(self.nodes)}"

    def _append(self, op_type: str, inputs, outputs: list[str], attributes: dict[str, Any]) -> list[str]:
        name = f"{self.prefix}/{op_type}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, list(inputs), outputs, name=name, **attributes))
        return outputs
