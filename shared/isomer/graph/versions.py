"""Models of other opsets and IR versions made ones of the contract's, with standard operators only."""

from __future__ import annotations

import onnx
from onnx import defs, helper, inliner, version_converter

from isomer import contract
from isomer.errors import UserError
from isomer.graph.parts import nodes

STANDARD = ("", "ai.onnx")
# Attributes that later opsets added and whose default is what the contract's opset does.
_LATER_DEFAULTS = {("Cast", "saturate"): 1, ("CastLike", "saturate"): 1, ("Cast", "round_mode"): b"up"}


def to_contract(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy at the contract's opset and IR version, without functions.

    Whoever calls this compares the copy with the original by running both: converters of opsets have gaps.

    Raises:
        UserError: it has operators that the contract's opset does not know, or of other domains.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    if copy.functions:
        copy = inliner.inline_local_functions(copy)
    _refuse_other_domains(copy)
    # what old IR versions list as inputs too are constants
    weights = {tensor.name for tensor in copy.graph.initializer}
    inputs = [item for item in copy.graph.input if item.name not in weights]
    del copy.graph.input[:]
    copy.graph.input.extend(inputs)
    opset = opset_of(copy)
    if opset > contract.OPSET:
        _lower(copy)
    elif opset < contract.OPSET:
        copy = _raised(copy, opset)
    copy.ir_version = contract.IR_VERSION
    del copy.opset_import[:]
    copy.opset_import.append(helper.make_opsetid("", contract.OPSET))
    for part in (copy.graph, *nodes(copy.graph), *copy.graph.initializer, *copy.graph.value_info):
        part.ClearField("metadata_props")
    for node in nodes(copy.graph):
        node.ClearField("overload")
        node.domain = ""
    return copy


def opset_of(model: onnx.ModelProto) -> int:
    """The version of the standard operators."""
    return next((item.version for item in model.opset_import if item.domain in STANDARD), 1)


def _refuse_other_domains(model: onnx.ModelProto) -> None:
    foreign = sorted({f"{node.domain}.{node.op_type}" for node in nodes(model.graph) if node.domain not in STANDARD})
    # plug-ins of TensorRT stand in the default domain, where no such operator is
    foreign += sorted(
        {node.op_type for node in nodes(model.graph) if node.domain in STANDARD and not _is_known(node.op_type)}
    )
    if foreign:
        raise UserError(
            f"the model has operators that are not standard ONNX ({', '.join(foreign[:5])}): it was made for one "
            "runtime. Export it without that runtime's optimisation or plug-ins"
        )


def _is_known(op_type: str) -> bool:
    return defs.has(op_type)


def _raised(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    try:
        return version_converter.convert_version(model, contract.OPSET)
    except (
        version_converter.ConvertError,
        RuntimeError,
        ValueError,
        onnx.checker.ValidationError,
        onnx.shape_inference.InferenceError,
    ) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"the model is of opset {opset}, which cannot be raised to {contract.OPSET} ({reason}): export it with a "
            "later opset, best 18"
        ) from None


def _lower(model: onnx.ModelProto) -> None:
    """Name the nodes ones of the contract's opset, in place, where that says the same.

    Most operators of later opsets differ from older ones in number types only. An attribute that came later must have
    the value that the older operator works by.
    """
    unknown: dict[str, str] = {}
    for node in nodes(model.graph):
        if not defs.has(node.op_type, contract.OPSET):
            unknown[node.op_type] = "new"
            continue
        allowed = defs.get_schema(node.op_type, contract.OPSET).attributes
        for item in [item for item in node.attribute if item.name not in allowed]:
            value = helper.get_attribute_value(item)
            if _LATER_DEFAULTS.get((node.op_type, item.name), _latest_default(node.op_type, item.name)) != value:
                unknown[node.op_type] = f"with {item.name}={value!r}"
            node.attribute.remove(item)
    if unknown:
        words = ", ".join(f"{name} ({what})" for name, what in sorted(unknown.items()))
        raise UserError(
            f"the model is of opset {opset_of(model)} and has operators that opset {contract.OPSET} does not know: "
            f"{words}. Export it with opset {contract.OPSET}"
        )


def _latest_default(op_type: str, name: str) -> object:
    attribute = defs.get_schema(op_type).attributes.get(name)
    return helper.get_attribute_value(attribute.default_value) if attribute is not None else None
