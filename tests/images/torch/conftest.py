"""Conversions, in volumes of their own and on fewer pictures than a real one."""

from __future__ import annotations

import onnx
import pytest
from torch import nn

from isomer import native
from isomer.converting import reference
from isomer.volume import Volume


@pytest.fixture
def volume(tmp_path, monkeypatch) -> Volume:
    """A data volume, and fewer pictures than a real conversion looks at."""
    monkeypatch.setenv("ISOMER_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(native, "PROBE_SIZES", ((60, 60),))
    monkeypatch.setattr(native, "PROBE_BATCHES", (1, 2))
    monkeypatch.setattr(reference, "DRAWN", 2)
    return Volume(tmp_path / "data")


@pytest.fixture
def exported(monkeypatch) -> list[nn.Module]:
    """The cores that would have been exported, which takes long and is tested by others."""
    cores: list[nn.Module] = []
    import onnx_export  # there only in this image

    monkeypatch.setattr(onnx_export, "export", lambda core, *_: cores.append(core) or onnx.ModelProto())
    return cores
