"""The models that --model names: by name or as files; what is not under the contract is told what would mend it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pets
import published
import pytest
from onnx import numpy_helper

from isomer.contract import SCORE_THRESHOLD
from isomer.errors import UserError
from isomer.graph import seal
from isomer.volume import Volume


@pytest.fixture
def volume(tmp_path, monkeypatch) -> Volume:
    monkeypatch.chdir(tmp_path)
    return pets.make(tmp_path)


def changed(path: Path, change) -> Path:
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)
    return path


def test_a_name_or_a_file(volume):
    path = pets.publish(volume, "one")
    Path("elsewhere.onnx").write_bytes(path.read_bytes())
    models = published.find(volume, ("pets-one", "elsewhere.onnx", "pets-one"))
    assert [model.name for model in models] == ["pets-one", "elsewhere"]
    assert models[0].classes == pets.CLASSES and models[0].score_threshold == 0.3 and models[0].batch is None
    with pytest.raises(UserError, match=r"--model pets-two: no such file.*did you mean 'pets-one'"):
        published.find(volume, ("pets-two",))


def test_a_file_that_is_no_model(volume):
    Path("notes.onnx").write_text("not a model")
    with pytest.raises(UserError, match="is not an ONNX model"):
        published.find(volume, ("notes.onnx",))
    with pytest.raises(UserError, match="is not a file"):
        published.find(volume, ("datasets",))


def test_a_lower_threshold_is_no_reason_to_refuse(volume, capsys):
    """The guide shows how to lower it; the seal is broken by that."""

    def lower(model: onnx.ModelProto) -> None:
        for item in model.graph.initializer:
            if item.name == SCORE_THRESHOLD:
                item.CopyFrom(numpy_helper.from_array(np.array([0.05], np.float32), item.name))

    path = pets.publish(volume, "one")
    onnx.save(seal.sealed(onnx.load(path)), path)
    published.find(volume, ("pets-one",))
    assert capsys.readouterr().out == ""
    changed(path, lower)
    (model,) = published.find(volume, ("pets-one",))
    assert model.score_threshold == pytest.approx(0.05)
    assert "pets-one was changed after the gate saw it" in capsys.readouterr().out


def test_the_cure_is_a_command_that_can_be_typed(volume):
    path = pets.publish(volume, "one").rename(volume.root / "my model (2).onnx")
    changed(path, lambda model: model.graph.output.pop())
    with pytest.raises(UserError, match=r"outputs: .*export or convert pets-one again"):
        published.find(volume, (str(path),))
    changed(path, lambda model: model.ClearField("metadata_props"))
    with pytest.raises(UserError, match=r"\./inv convert '.*my model \(2\)\.onnx' --name mymodel2$"):
        published.find(volume, (str(path),))
