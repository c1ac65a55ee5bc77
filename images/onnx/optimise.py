"""A core made simpler and smaller, and still standard ONNX: folded and fused, in half precision, its names short."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel
from session import CPU, ERRORS

from isomer import contract
from isomer.errors import CheckFailed

HEAVY = ("Conv", "ConvTranspose", "Gemm", "MatMul")  # where a detector spends its time and holds its weights


def fused(core: onnx.ModelProto) -> onnx.ModelProto:
    """Constants folded, batch norms and scales fused into convolutions, as ONNX Runtime's basic level does: that one
    uses operators of the default domain only.

    Raises:
        CheckFailed: ONNX Runtime does not take the core, or made something else of it than standard ONNX.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fused.onnx"
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(path)
        options.log_severity_level = 4
        try:
            onnxruntime.InferenceSession(core.SerializeToString(), options, providers=[CPU])
        except ERRORS as error:
            raise CheckFailed(f"ONNX Runtime does not take the core: {' '.join(str(error).split())}") from None
        model = onnx.load(path)
    return standard(model, core)


def half(core: onnx.ModelProto) -> onnx.ModelProto:
    """The core with weights and convolutions in float16; what comes behind the last of them (decoding boxes, where
    float16 is as coarse as 1/2048 of the picture) and the inputs and outputs stay float32."""
    behind = behind_the_heavy(core.graph)
    front = onnx.ModelProto()
    front.CopyFrom(core)
    types = {item.name: item for item in onnx.shape_inference.infer_shapes(core).graph.value_info}
    del front.graph.node[len(core.graph.node) - len(behind) :]
    rest = {id(node) for node in behind}
    for kept, node in zip(front.graph.node, (node for node in core.graph.node if id(node) not in rest), strict=True):
        kept.CopyFrom(node)
    wanted = {name for node in behind for name in node.input} | {item.name for item in core.graph.output}
    made = [name for node in front.graph.node for name in node.output if name in wanted]
    del front.graph.output[:]
    front.graph.output.extend(types.get(name) or next(o for o in core.graph.output if o.name == name) for name in made)
    read = {name for node in front.graph.node for name in node.input}
    kept_constants = [tensor for tensor in core.graph.initializer if tensor.name not in read]
    shared = [tensor for tensor in core.graph.initializer if tensor.name in read & wanted]
    for tensor in kept_constants:
        front.graph.initializer.remove(tensor)
    # the converter casts what leaves the front back to float32
    whole = convert_float_to_float16(front, keep_io_types=True)
    whole.graph.node.extend(behind)
    whole.graph.initializer.extend(kept_constants)
    for tensor in shared:
        copy = whole.graph.initializer.add()
        copy.CopyFrom(tensor)
        copy.name = f"{tensor.name}/float32"
        for node in whole.graph.node[-len(behind) :]:
            node.input[:] = [copy.name if name == tensor.name else name for name in node.input]
    ordered = OnnxModel(whole)
    ordered.topological_sort()  # the casts stand at the end
    return small(standard(ordered.model, core))


def behind_the_heavy(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes from which no convolution or matrix product is reached."""
    needed: set[str] = set()  # tensors that lead to one
    found = []
    for node in reversed(graph.node):
        if node.op_type in HEAVY or needed.intersection(node.output):
            needed.update(node.input)
        else:
            found.append(node)
    return found[::-1]


def standard(model: onnx.ModelProto, core: onnx.ModelProto) -> onnx.ModelProto:
    """A tool's result as a core again: the core's inputs and outputs, its version, the default domain, a
    name for each node.

    Raises:
        CheckFailed: it uses operators of another domain.
    """
    foreign = sorted({node.domain for node in model.graph.node} - {"", "ai.onnx"})
    if foreign:
        raise CheckFailed(f"the optimised core has operators of {', '.join(foreign)}")
    opset = next(item.version for item in model.opset_import if item.domain in ("", "ai.onnx"))
    del model.opset_import[:]
    model.opset_import.append(onnx.helper.make_opsetid("", opset))
    model.ir_version = contract.IR_VERSION
    for kept, given in ((model.graph.input, core.graph.input), (model.graph.output, core.graph.output)):
        del kept[:]
        kept.extend(given)
    del model.graph.value_info[:]
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{number}"
    return model


def small(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same with equal constants once, nothing said that goes without saying, and short names: of a core in 8 bits
    they are a tenth. To be done last, since ONNX Runtime's quantiser makes names from names and does not look whether
    they are taken."""
    _leave_out(model.graph)
    _share_constants(model.graph)
    _shorten(model.graph)
    return model


def _leave_out(graph: onnx.GraphProto) -> None:
    """Drop what a convolution does anyway, and the zero points of biases, which can only be 0."""
    biases = {tensor.name for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.INT32}
    for node in graph.node:
        if node.op_type == "Conv":
            kept = [item for item in node.attribute if not _is_default(item)]
            del node.attribute[:]
            node.attribute.extend(kept)
        elif node.op_type == "DequantizeLinear" and node.input[0] in biases:
            del node.input[2:]
    read = {name for node in graph.node for name in node.input} | {item.name for item in graph.output}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in read]:
        graph.initializer.remove(tensor)


def _is_default(attribute: onnx.AttributeProto) -> bool:
    """Whether a convolution does without an attribute as it does with it; its kernel's shape is that of its weights."""
    defaults = {"strides": {1}, "dilations": {1}, "pads": {0}, "group": {1}, "auto_pad": {b"NOTSET"}}
    value = helper.get_attribute_value(attribute)
    return attribute.name == "kernel_shape" or set(value if isinstance(value, list) else [value]) == defaults.get(
        attribute.name
    )


def _share_constants(graph: onnx.GraphProto) -> None:
    """Keep equal initializers once: quantisation leaves a zero point beside each scale."""
    first: dict[tuple, str] = {}
    same: dict[str, str] = {}
    kept = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        key = (tensor.data_type, tuple(tensor.dims), values.tobytes())
        if key in first:
            same[tensor.name] = first[key]
            continue
        first[key] = tensor.name
        kept.append(numpy_helper.from_array(values, tensor.name))
    del graph.initializer[:]
    graph.initializer.extend(kept)
    for node in graph.node:
        node.input[:] = [same.get(name, name) for name in node.input]


def _shorten(graph: onnx.GraphProto) -> None:
    """Short names inside: those of tools are longer than what they name."""
    fixed = {item.name for item in (*graph.input, *graph.output)} | {""}
    names: dict[str, str] = {}

    def short(name: str) -> str:
        return name if name in fixed else names.setdefault(name, np.base_repr(len(names), 36).lower())

    inner = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
    if any(attribute.type in inner for node in graph.node for attribute in node.attribute):
        return  # names reach into inner graphs
    for tensor in graph.initializer:
        tensor.name = short(tensor.name)
    for number, node in enumerate(graph.node):
        node.name = np.base_repr(number, 36).lower()
        node.doc_string = ""
        node.input[:] = [short(name) for name in node.input]
        node.output[:] = [short(name) for name in node.output]
