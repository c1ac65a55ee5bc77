"""The contract, checked on the file itself: what is wrong, where, the likely cause, what to do. Runs nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper

from isomer import contract
from isomer.errors import UserError
from isomer.graph import seal
from isomer.graph.parts import THRESHOLDS, has_raw, nodes

# The metadata without which nobody can tell what a model's outputs mean or where it comes from.
METADATA = (
    "contract",
    "model",
    "framework",
    "classes",
    "channels",
    "size",
    "mean",
    "std",
    "score_threshold",
    "iou_threshold",
    "max_detections",
)
# What a model made from a core repeats of its run.
PROVENANCE = ("run", "dataset_sha256", "lock_sha256", "git_revision", "environment")

BATCH = contract.METADATA_PREFIX + "batch"  # what the batch is fixed to, on purpose

_ROWS = {contract.BOXES: 3, contract.CLASSES: 2, contract.SCORES: 2, contract.COUNT: 1}


@dataclass(frozen=True)
class Finding:
    """One way in which a model does not meet the contract."""

    where: str
    what: str
    cause: str = ""
    advice: str = ""

    def __str__(self) -> str:
        cause = f" (likely: {self.cause})" if self.cause else ""
        advice = f"; {self.advice}" if self.advice else ""
        return f"{self.where}: {self.what}{cause}{advice}"


def load(path: Path) -> onnx.ModelProto:
    """An ONNX file, without the second file that its weights may lie in.

    Raises:
        UserError: there is no such file, or it is not ONNX.
    """
    if not path.is_file():
        raise UserError(f"{path} is not there, or is not a file")
    try:
        model = onnx.load(path, format="protobuf", load_external_data=False)
    except DecodeError:
        model = onnx.ModelProto()
    if not model.ir_version or not model.graph.output:
        raise UserError(f"{path} is not an ONNX model (or only a part of one)")
    return model


def check(model: onnx.ModelProto, sealed: bool = True) -> list[Finding]:
    """Everything in the file that is not as the contract says; empty when it is met.

    Args:
        sealed: that the file was changed after the gate saw it counts too, if only in a threshold; such a one may
            still be fed and read.
    """
    return [
        *_versions(model),
        *_second_file(model),
        *_input(model, fixed_batch(model)),
        *_outputs(model, fixed_batch(model)),
        *_training(model),
        *_metadata(model),
        *_names_inside(model),
        *((*_thresholds(model), *_seal(model)) if sealed else ()),
        *_checker(model),
    ]


def metadata(model: onnx.ModelProto) -> dict[str, str]:
    """The model's own metadata, without the prefix."""
    prefix = contract.METADATA_PREFIX
    return {item.key.removeprefix(prefix): item.value for item in model.metadata_props if item.key.startswith(prefix)}


def classes(model: onnx.ModelProto) -> tuple[str, ...] | None:
    """The class names in the order of their ids; None where the metadata does not hold them."""
    try:
        names = json.loads(metadata(model).get("classes", ""))
    except ValueError:
        return None
    return tuple(names) if isinstance(names, list) and names and all(isinstance(item, str) for item in names) else None


def fixed_batch(model: onnx.ModelProto) -> int | None:
    """The number of pictures that the model was fixed to on purpose; None where it takes any."""
    word = metadata(model).get("batch", "")
    return int(word) if word.isdecimal() else None


def _versions(model: onnx.ModelProto) -> Iterator[Finding]:
    opsets = {item.domain or "ai.onnx": item.version for item in model.opset_import}
    standard = opsets.get("ai.onnx")
    if standard != contract.OPSET:
        yield Finding(
            "opset",
            f"{standard} where {contract.OPSET} is asked for",
            "the exporter's default was kept" if standard and standard > contract.OPSET else "an old export",
            f"export with opset {contract.OPSET}",
        )
    if model.ir_version != contract.IR_VERSION:
        yield Finding(
            "IR version",
            f"{model.ir_version} where {contract.IR_VERSION} is asked for",
            "an exporter newer than ONNX Runtime 1.15" if model.ir_version > contract.IR_VERSION else "an old export",
            f"set ir_version to {contract.IR_VERSION}",
        )
    unused = sorted(set(opsets) - {"ai.onnx"} - {node.domain for node in nodes(model.graph)})
    if unused:
        yield Finding("opset", f"also of {', '.join(unused)}, which no operator is of", "left there by a converter")
    foreign = sorted({node.domain for node in nodes(model.graph)} - {"", "ai.onnx"})
    if foreign:
        yield Finding(
            "operators",
            f"of the domains {', '.join(foreign)}",
            "a model optimised for one runtime, or functions of the exporter that were not inlined",
            "export without optimisation for a runtime",
        )


def _second_file(model: onnx.ModelProto) -> Iterator[Finding]:
    tensors = [*model.graph.initializer]
    tensors += [item.t for node in nodes(model.graph) for item in node.attribute if item.HasField("t")]
    outside = [tensor for tensor in tensors if tensor.data_location == TensorProto.EXTERNAL]
    if outside:
        locations = {item.value for tensor in outside for item in tensor.external_data if item.key == "location"}
        yield Finding(
            "weights",
            f"{len(outside)} tensors lie in another file ({', '.join(sorted(locations))})",
            "torch.onnx.export writes two files unless external_data=False",
            "save the model as one file",
        )


def _input(model: onnx.ModelProto, batch: int | None) -> Iterator[Finding]:
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in weights]
    if [item.name for item in inputs] != [contract.INPUT]:
        names = ", ".join(item.name for item in inputs) or "none"
        yield Finding("inputs", f"{names} where the one input is {contract.INPUT!r}", "an export made elsewhere")
    if not inputs:
        return
    found, where = inputs[0], f"input {inputs[0].name!r}"
    kind, shape = port_type(found)
    if kind != "uint8":
        yield Finding(where, f"{kind} where uint8 is asked for", "a bare core, without the head that normalises")
    if len(shape) != 4 or shape[3] != 3:
        cause = "channels first (NCHW)" if len(shape) == 4 and shape[1] == 3 else ""
        yield Finding(where, f"shape {shape_words(shape)} where [batch, height, width, 3] is asked for", cause)
    for name, size in zip(("batch", "height", "width"), shape if shape[3:] == [3] else shape[:1], strict=False):
        if isinstance(size, int) and not (name == "batch" and size == batch):
            cause = "traced with an example picture, without dynamic axes"
            yield Finding(where, f"{name} is fixed to {size} and must be free", cause)


def _outputs(model: onnx.ModelProto, batch: int | None) -> Iterator[Finding]:
    names = [item.name for item in model.graph.output]
    if names != list(contract.OUTPUTS):
        same = sorted(names) == sorted(contract.OUTPUTS)
        yield Finding(
            "outputs",
            f"{', '.join(names)} where {', '.join(contract.OUTPUTS)} are asked for",
            "the right outputs in another order: clients take them by position" if same else "",
        )
    for item in model.graph.output:
        if item.name not in _ROWS:
            continue
        where = f"output {item.name!r}"
        kind, shape = port_type(item)
        if kind != "float32":
            yield Finding(where, f"{kind} where float32 is asked for")
        rank = _ROWS[item.name]
        if len(shape) != rank or (rank == 3 and shape[2] != 4):
            wanted = ["batch", "K", "4"][:rank]
            cause = "a scalar, where clients read num_detections[0]" if not shape else ""
            yield Finding(where, f"shape {shape_words(shape)} where [{', '.join(wanted)}] is asked for", cause)
        elif isinstance(shape[0], int) and shape[0] != batch:
            yield Finding(where, f"batch is fixed to {shape[0]} and must be free")


def _training(model: onnx.ModelProto) -> Iterator[Finding]:
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    normal, dropout = [], []
    for node in nodes(model.graph):
        if node.op_type == "BatchNormalization" and any(
            item.name == "training_mode" and item.i for item in node.attribute
        ):
            normal.append(node.name)
        if node.op_type == "Dropout" and len(node.input) > 2 and node.input[2]:
            mode = constants.get(node.input[2])
            if mode is None or numpy_helper.to_array(mode).any():
                dropout.append(node.name)
    for kind, names in (("BatchNormalization", normal), ("Dropout", dropout)):
        if names:
            yield Finding(
                f"node {names[0]!r}",
                f"{kind} in training mode ({len(names)} in all)",
                "exported without model.eval()",
                "export in evaluation mode",
            )


def _metadata(model: onnx.ModelProto) -> Iterator[Finding]:
    found = metadata(model)
    wanted = (*METADATA, *(PROVENANCE if "core_sha256" in found else ()))
    missing = [key for key in wanted if not found.get(key)]
    if missing:
        names = ", ".join(contract.METADATA_PREFIX + key for key in missing)
        yield Finding("metadata", f"without {names}", "not made by assemble" if len(missing) == len(wanted) else "")
        if "classes" in missing:
            return
    if "contract" not in missing and found["contract"] != str(contract.VERSION):
        yield Finding("metadata", f"contract {found['contract']} where {contract.VERSION} is asked for")
    if classes(model) is None:
        yield Finding("metadata", f"isomer.classes is {found['classes']!r}, which is no JSON list of names")


def _names_inside(model: onnx.ModelProto) -> Iterator[Finding]:
    """Raw tensors and thresholds, owed by every model that was made from a core."""
    if "core_sha256" not in metadata(model):
        return
    # one that nothing reads could be changed without any effect
    read = {name for node in nodes(model.graph) for name in node.input}
    constants = {tensor.name for tensor in model.graph.initializer} & read
    missing = [name for name in THRESHOLDS if name not in constants]
    if missing:
        yield Finding("initializers", f"without {', '.join(missing)}, or unused", "an optimiser folded or renamed them")
    if not has_raw(model):
        yield Finding("tensors", "without raw_boxes and raw_scores", "an optimiser folded or renamed them")


def _thresholds(model: onnx.ModelProto) -> Iterator[Finding]:
    """The thresholds inside must be those that the metadata names."""
    said = metadata(model)
    if "core_sha256" not in said:
        return
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for name in THRESHOLDS:
        if name not in tensors or not said.get(name) or tensors[name].data_location == TensorProto.EXTERNAL:
            continue
        value = numpy_helper.to_array(tensors[name]).ravel()
        try:
            agrees = value.size == 1 and bool(np.isclose(value[0], float(said[name])))
        except ValueError:
            agrees = False
        if not agrees:
            inside = ", ".join(f"{number:g}" for number in value.tolist())
            yield Finding(
                "initializers",
                f"{name} is {inside} where the metadata says {said[name]}",
                "changed in one of the two places",
                "export again with the threshold that is wanted",
            )


def _seal(model: onnx.ModelProto) -> Iterator[Finding]:
    if seal.is_intact(model) is False:
        yield Finding(
            "metadata",
            f"{seal.ENTRY} is not this model's",
            "the file was changed after the gate saw it",
            "export again, so that the gate sees what it is now",
        )


def _checker(model: onnx.ModelProto) -> Iterator[Finding]:
    if any(_second_file(model)):
        return  # the checker would look for the other file, wherever this process happens to run
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        yield Finding("onnx.checker", " ".join(str(error).split()))


def port_type(item: onnx.ValueInfoProto) -> tuple[str, list[int | str]]:
    """Element type and shape; a dimension is a number, a name, or "?"."""
    tensor = item.type.tensor_type
    kind = str(helper.tensor_dtype_to_np_dtype(tensor.elem_type)) if tensor.elem_type else "no tensor"
    dims = [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?" for dim in tensor.shape.dim]
    return kind, dims


def shape_words(shape: list[int | str]) -> str:
    return f"[{', '.join(map(str, shape))}]"
