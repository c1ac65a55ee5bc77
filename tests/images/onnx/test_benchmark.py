"""benchmark: every cell is measured, memory is what a model holds, and what cannot be measured is said."""

from __future__ import annotations

import json
import sys

import benchmark
import fixed_batch
import measuring
import numpy as np
import onnx
import onnxruntime
import pets
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from isomer import benchmarks
from isomer.errors import CheckFailed, UserError
from isomer.volume import Volume


@pytest.fixture
def volume(tmp_path) -> Volume:
    return pets.make(tmp_path)


@pytest.fixture
def run(volume, monkeypatch, capsys):
    """The script on the volume, as short as can be; what it said and what it wrote."""

    def call(*argv: str) -> tuple[str, dict]:
        monkeypatch.setenv("ISOMER_DATA", str(volume.root))
        short = ["--seconds", "0.05", "--size", "96x128"]
        monkeypatch.setattr(sys, "argv", ["benchmark", *short, *argv])
        benchmark.main()
        out = capsys.readouterr().out
        (path,) = volume.reports.glob("*/benchmark.json")
        return out, json.loads(path.read_text())

    return call


def test_two_models_at_each_batch_and_number_of_threads(volume, run, tmp_path):
    pets.publish(volume, "one")
    pets.publish(volume, "two", channels="bgr")
    Image.new("RGB", (100, 80), (200, 0, 0)).save(tmp_path / "red.png")
    flags = ("--batches", "2,1", "--threads", "1,2", "--json", str(tmp_path / "all.json"))
    flags = (*flags, "--pictures", str(tmp_path / "red.png"))
    out, report = run("--model", "pets-one", "--model", "pets-two", *flags)
    assert json.loads((tmp_path / "all.json").read_text()) == report
    assert [(cell["threads"], cell["batch"]) for cell in report["cells"]] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    for cell in report["cells"]:
        assert list(cell["models"]) == ["pets-one", "pets-two"] and list(cell["ratios"]) == ["pets-two"]
        for times in cell["models"].values():
            assert 0 < times["p50_ms"] <= times["p95_ms"] <= times["p99_ms"] and times["runs"] >= 24
            assert times["images_per_s"] == pytest.approx(1000 * cell["batch"] / times["mean_ms"], rel=0.01)
        ratio = cell["ratios"]["pets-two"]["wall"]
        assert ratio["low"] <= ratio["value"] <= ratio["high"]
    for model in report["models"]:
        profile = model["profile"]["providers"]["cpu"]
        assert sum(profile["operators"].values()) == pytest.approx(1)
        assert sum(profile["parts"].values()) == pytest.approx(1)
        assert set(profile["nodes"]) == {"CPUExecutionProvider"}
        assert profile["detections"] == 2, "red pictures, whatever order the model takes them in"
        assert [row["batch"] for row in model["memory"]] == [1, 2]
        assert all(row["load_s"] > 0 and row["peak_bytes"] > row["bare_bytes"] > 0 for row in model["memory"])
    assert "where the time goes" in out and len(benchmarks.verdicts(report)) == 4
    page = (volume.reports / "pets-one-vs-pets-two" / "benchmark.html").read_text()
    assert "pets-one vs pets-two" in page and "Loading and memory" in page


def test_a_model_for_batches_of_three_is_compared_at_three(volume, run):
    pets.publish(volume, "one")
    model, _ = fixed_batch.fixed(onnx.load(pets.publish(volume, "three")), 3)
    onnx.save(model, volume.model("pets-three"))
    _, report = run("--model", "pets-one", "--model", "pets-three", "--batches", "1", "--threads", "1")
    assert [list(cell["models"]) for cell in report["cells"]] == [["pets-one"], ["pets-one", "pets-three"]]
    assert [cell["batch"] for cell in report["cells"]] == [1, 3]
    assert [model["fixed_batch"] for model in report["models"]] == [None, 3]


def test_two_files_of_one_name(volume, run, tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        pets.publish(volume, "one").rename(tmp_path / name / "one.onnx")
    files = [str(tmp_path / name / "one.onnx") for name in ("old", "new")]
    _, report = run("--model", files[0], "--model", files[1], "--batches", "1", "--threads", "1")
    assert [model["name"] for model in report["models"]] == ["old/one", "new/one"]


def test_memory_is_what_the_model_holds(tmp_path):
    """64 MB of weights are 64 MB more, whatever the process that measures holds."""
    peaks = {}
    for name, megabytes in (("small", 1), ("large", 65)):
        weights = numpy_helper.from_array(np.ones((megabytes, 250_000), np.float32), "weights")
        value = helper.make_tensor_value_info
        nodes = [
            helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMax", ["pixels"], ["most"], keepdims=0),
            helper.make_node("Mul", ["most", "weights"], ["many"]),
            helper.make_node("ReduceSum", ["many"], ["sum"], keepdims=0),
        ]
        graph = helper.make_graph(
            nodes, name, [value("image", TensorProto.UINT8, [1, 2, 2, 3])], [value("sum", TensorProto.FLOAT, [])]
        )
        graph.initializer.append(weights)
        model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 18)])
        onnx.save(model, tmp_path / f"{name}.onnx")
        about = measuring.measure_alone(tmp_path / f"{name}.onnx", "cpu", 1, np.ones((1, 2, 2, 3), np.uint8), tmp_path)
        peaks[name] = about["peak_bytes"] - about["bare_bytes"]
    # the file, the weights and their product at most
    assert 64e6 < peaks["large"] - peaks["small"] < 4 * 64e6


def test_frames_are_the_pictures_again_and_again(tmp_path):
    for place, level in enumerate((10, 200)):
        Image.new("RGB", (8, 6), (level, level, level)).save(tmp_path / f"{place}.png")
    pixels = measuring.frames(tmp_path, 5, 30, 40)
    assert pixels.shape == (5, 30, 40, 3) and pixels.dtype == np.uint8
    assert [int(one[0, 0, 0]) for one in pixels] == [10, 200, 10, 200, 10]
    assert measuring.frames(None, 2, 30, 40).std() > 0
    with pytest.raises(UserError, match="holds no picture"):
        (tmp_path / "empty").mkdir()
        measuring.frames(tmp_path / "empty", 1, 30, 40)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--batches", "0"), "--batches 0: '0' is no whole number"),
        (("--batches", "1,all"), "'all' is no whole number"),
        (("--threads", "x"), "--threads x: 'x' is no whole number from 1 to 1024, or all"),
        (("--size", "3"), "--size 3: give N or HEIGHTxWIDTH"),
        (("--providers", "gpu"), "unknown --providers 'gpu'"),
        (("--model", "pets-on"), "did you mean 'pets-one'"),
        (("--model", "nowhere/one.onnx"), "--model nowhere/one.onnx: no such file"),
    ],
)
def test_a_wrong_flag_is_named_before_anything_is_measured(volume, run, words, says):
    pets.publish(volume, "one")
    with pytest.raises(UserError, match=says.replace("(", r"\(")):
        run("--model", "pets-one", *words)
    assert not volume.reports.exists()


def test_a_provider_that_is_not_there_is_said_beside_the_others(volume, run):
    absent = "cuda" if "CUDAExecutionProvider" not in onnxruntime.get_available_providers() else "openvino"
    pets.publish(volume, "one")
    flags = ("--model", "pets-one", "--batches", "1", "--threads", "1")
    out, report = run(*flags, "--providers", f"cpu,{absent}")
    assert list(report["absent_providers"]) == [absent] and f"{absent}: not used, this ONNX Runtime" in out
    assert [cell["provider"] for cell in report["cells"]] == ["cpu"]
    with pytest.raises(UserError, match=f"--providers: {absent}: "):
        run(*flags, "--providers", absent)


def test_a_model_that_does_not_load_by_itself_says_why(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    with pytest.raises(CheckFailed, match=r"broken\.onnx in a process of its own, 1 pictures at a time"):
        measuring.measure_alone(tmp_path / "broken.onnx", "cpu", 1, np.ones((1, 2, 2, 3), np.uint8), tmp_path)


def test_a_model_that_does_not_run_is_a_sentence(volume, run):
    model = onnx.load(pets.publish(volume, "one"))
    # frames of 96 pixels are cut to none, which has no highest
    model.graph.node.insert(0, helper.make_node("Slice", ["image", "far", "farther", "rows"], ["cut"], name="cut"))
    for name, value in (("far", 5000), ("farther", 6000), ("rows", 1)):
        model.graph.initializer.append(numpy_helper.from_array(np.array([value], np.int64), name))
    for node in list(model.graph.node)[1:]:
        node.input[:] = ["cut" if name == "image" else name for name in node.input]
    onnx.save(model, volume.model("pets-one"))
    with pytest.raises(CheckFailed, match=r"does not run with image \[1, 96, 128, 3\]"):
        run("--model", "pets-one", "--batches", "1", "--threads", "1")
    assert not volume.reports.exists()


def test_a_busy_machine_is_said():
    machine = {"load": 3.0, "processors": 2}
    assert "3 processes wanted its 2 processors" in benchmarks.busy({"machine": machine})
    assert benchmarks.busy({"machine": machine | {"load": 0.4}}) is None
