"""A run of the toy detector, the two scripts that judge it, and a host on this machine."""

from __future__ import annotations

import json
import shutil
import sys

import assemble
import gate
import onnx
import pytest
import toy
from local_host import host  # noqa: F401 (a fixture)

from isomer.errors import CheckFailed


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """A data volume with the toy's dataset and one sound run of it, to be copied by each test."""
    root = tmp_path_factory.mktemp("volume")
    dataset = toy.make_dataset(root / "datasets" / "noise")
    toy.make_run(root, dataset, toy.core_model())
    return root


class Bench:
    """A data volume and the two scripts run on it."""

    def __init__(self, root, monkeypatch):
        self.root = root
        self.run = toy.RunFolder(root / "runs" / "toy-run")
        self.published = root / "models" / "toy-run.onnx"
        self._monkeypatch = monkeypatch
        monkeypatch.setenv("ISOMER_DATA", str(root))

    def assemble(self, *flags):
        self._monkeypatch.setattr(sys, "argv", ["assemble", "--run", "toy-run", *flags])
        assemble.main()

    def gate(self, *flags):
        self._monkeypatch.setattr(sys, "argv", ["gate", "--run", "toy-run", *flags])
        gate.main()

    def replace_core(self, model: onnx.ModelProto, **core_changes):
        """Another core in the same run; the native predictions stay those of the sound detector."""
        provenance = json.loads(self.run.core_json.read_text())["provenance"]
        data = model.SerializeToString()
        self.run.core_onnx.write_bytes(data)
        core = toy.core_json(data, provenance=provenance, **core_changes)
        self.run.core_json.write_text(json.dumps(core.to_json()))

    def change_assembled(self, change):
        model = onnx.load(self.run.assembled_onnx)
        self.run.assembled_onnx.write_bytes((change(model) or model).SerializeToString())

    def verdict(self):
        return json.loads(self.run.gate_json.read_text())

    def blocked(self, saying: str):
        """The gate says no, for this reason, and publishes nothing."""
        self.published.parent.mkdir(exist_ok=True)
        self.published.write_bytes(b"an earlier model")
        with pytest.raises(CheckFailed, match=saying):
            self.gate()
        assert self.published.read_bytes() == b"an earlier model"
        assert not self.verdict()["passed"]


@pytest.fixture
def bench(exported, tmp_path, monkeypatch):
    shutil.copytree(exported, tmp_path / "volume")
    return Bench(tmp_path / "volume", monkeypatch)


@pytest.fixture(scope="session")
def published_anew(exported):
    """Publishes the sound run into a data volume with some flags of assemble, for tests that share what comes of it."""

    def publish(root, *flags):
        shutil.copytree(exported, root, dirs_exist_ok=True)
        with pytest.MonkeyPatch.context() as patch:
            bench = Bench(root, patch)
            bench.assemble(*flags)
            bench.gate()
        return bench.published

    return publish
