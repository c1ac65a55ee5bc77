"""The gate's seal: a digest over the model in the model's own metadata, so that a later change of the file shows."""

from __future__ import annotations

import hashlib

import onnx

from isomer import contract

ENTRY = contract.METADATA_PREFIX + "gate_sha256"


def digest(model: onnx.ModelProto) -> str:
    """SHA-256 of the model as it is serialised without the seal, hexadecimal."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    kept = [item for item in model.metadata_props if item.key != ENTRY]
    del copy.metadata_props[:]
    copy.metadata_props.extend(kept)
    return hashlib.sha256(copy.SerializeToString(deterministic=True)).hexdigest()


def sealed(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with the seal of what it is now."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    kept = [item for item in model.metadata_props if item.key != ENTRY]
    del copy.metadata_props[:]
    copy.metadata_props.extend([*kept, onnx.StringStringEntryProto(key=ENTRY, value=digest(model))])
    return copy


def is_intact(model: onnx.ModelProto) -> bool | None:
    """Whether the model is as the gate saw it; None where no gate sealed it."""
    seal = next((item.value for item in model.metadata_props if item.key == ENTRY), None)
    return None if seal is None else seal == digest(model)
