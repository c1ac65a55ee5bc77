"""`check` on sound models, on models that it has never seen, and on what is no model."""

from __future__ import annotations

import json
import sys

import check
import onnx
import pytest
import toy

from isomer.contract import Thresholds
from isomer.errors import CheckFailed, UserError
from isomer.graph.assemble import assemble


@pytest.fixture
def sound(tmp_path):
    core = toy.core_model()
    model = assemble(core, toy.core_json(core.SerializeToString()), "toy", Thresholds())
    onnx.save(model, tmp_path / "toy.onnx")
    return tmp_path / "toy.onnx"


def test_sound_model(sound, capsys):
    check.report(sound)
    assert "meets the contract" in capsys.readouterr().out


def test_every_finding_is_printed(sound, capsys):
    model = onnx.load(sound)
    model.opset_import[0].version = 17
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    del model.metadata_props[:]
    onnx.save(model, sound)
    with pytest.raises(CheckFailed, match="4 findings"):
        check.report(sound)
    printed = capsys.readouterr().out
    assert "opset: 17 where 18" in printed
    assert "batch is fixed to 1" in printed
    assert "isomer.classes" in printed


def test_programs_read_every_finding(sound, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["check", str(sound), "--json"])
    check.main()
    said = json.loads(capsys.readouterr().out)
    assert said["passed"] and said["findings"] == [] and said["metadata"]["classes"]
    model = onnx.load(sound)
    model.opset_import[0].version = 17
    onnx.save(model, sound)
    with pytest.raises(CheckFailed):
        check.main()
    said = json.loads(capsys.readouterr().out)
    assert not said["passed"] and said["findings"][0]["where"] == "opset"
    monkeypatch.setattr(sys, "argv", ["check", str(sound), "--profile", "robotics-academy", "--json", "-"])
    with pytest.raises(CheckFailed):
        check.main()
    said = json.loads(capsys.readouterr().out)
    assert said["profile"] == "robotics-academy" and any(line["harm"] for line in said["lines"])


def test_bare_core_is_recognised(tmp_path, capsys):
    onnx.save(toy.core_model(), tmp_path / "core.onnx")
    with pytest.raises(CheckFailed):
        check.report(tmp_path / "core.onnx")
    assert "a bare core, without the head" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"not a model", bytes(100), None])
def test_what_is_no_model(tmp_path, content):
    path = tmp_path / "thing.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"not there|not an ONNX model") as caught:
        check.report(path)
    assert caught.value.exit_code == 2


def test_half_a_model(sound):
    data = sound.read_bytes()
    sound.write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match="not an ONNX model"):
        check.report(sound)


def test_models_from_elsewhere_get_a_verdict(cases):
    files = sorted((cases / "models").rglob("*.onnx"))
    if not files:
        pytest.skip(f"no ONNX models in {cases}")
    for path in files:
        with pytest.raises(CheckFailed, match="not made by Isomer"):
            check.report(path)
