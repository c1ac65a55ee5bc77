"""Profiles: models made for a client work in a loop written from that client's rules, others are told apart by line."""

from __future__ import annotations

import re
import subprocess
import sys

import check
import client
import numpy as np
import oldest
import onnx
import pytest
import toy
from onnx import helper, numpy_helper

from isomer import profiles
from isomer.contract import Thresholds
from isomer.errors import CheckFailed, UserError
from isomer.graph.assemble import assemble

PEOPLE = ("tree", "person", "car")


def model_of(classes=PEOPLE, channels="rgb", order=None, thresholds=None) -> onnx.ModelProto:
    core = toy.core_model()
    about = toy.core_json(core.SerializeToString(), classes=classes)
    return assemble(core, about, "toy", thresholds or Thresholds(), channels, order)


@pytest.fixture
def written(tmp_path):
    def write(model: onnx.ModelProto):
        path = tmp_path / "model.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    return write


@pytest.fixture
def people(bench):
    """The toy's run, its classes renamed so that one of them is a person."""
    bench.replace_core(toy.core_model(), classes=PEOPLE)
    return bench


@pytest.mark.parametrize("frame", [(300, 300), (540, 960)])
def test_the_exercise_s_own_loop(people, frame):
    """OpenCV's BGR frames, outputs by position, class 1 = person, no threshold and no NMS: under ONNX Runtime 1.15."""
    people.assemble("--profile", "robotics-academy")
    model = onnx.load(people.run.assembled_onnx)
    rgb = np.random.default_rng(1).integers(0, 256, (*frame, 3), dtype=np.uint8).repeat(1, axis=0)
    version, (outputs,) = oldest.run(model, [{model.graph.input[0].name: rgb[None, ..., ::-1].copy()}])
    assert version.startswith("1.15")
    boxes, classes, scores, count = (outputs[item.name] for item in model.graph.output)
    drawn = []
    for batch in range(count.shape[0]):
        for index in range(int(count[batch])):
            if classes[batch][index] == 1:
                ymin, xmin, ymax, xmax = boxes[batch][index]
                drawn.append((xmin * frame[1], ymin * frame[0], xmax * frame[1], ymax * frame[0]))
                assert scores[batch][index] > 0.5, "the threshold is inside"
    native_boxes, native_scores = toy.raw(rgb[None])
    found = toy.native.detect(native_boxes[0], native_scores[0], toy.nms, Thresholds(score=0.5))
    truth = found.boxes[found.classes == PEOPLE.index("person") + 1][:, [1, 0, 3, 2]] * np.tile(frame[::-1], 2)
    assert len(drawn) == len(truth) > 0
    np.testing.assert_allclose(sorted(map(tuple, drawn)), sorted(map(tuple, truth)), atol=0.05)


def test_a_profile_is_held_by_the_gate(people):
    people.assemble("--profile", "robotics-academy")
    about = {item.key: item.value for item in onnx.load(people.run.assembled_onnx).metadata_props}
    assert about["isomer.channels"] == "bgr" and about["isomer.profile"] == "robotics-academy"
    assert about["isomer.classes"] == '["person", "tree", "car"]' and about["isomer.score_threshold"] == "0.5"

    def said_to_be_rgb(model):
        next(item for item in model.metadata_props if item.key == "isomer.channels").value = "rgb"

    people.change_assembled(said_to_be_rgb)
    people.blocked("profile robotics-academy: channels RGB, it feeds BGR")


def test_the_client_s_classes_by_any_case(bench, capsys):
    bench.replace_core(toy.core_model(), classes=("Tree", "Person", "car"))
    bench.assemble("--profile", "robotics-academy")
    assert "its client feeds BGR, class ids Person,Tree,car, scores from 0.5" in capsys.readouterr().out
    model = onnx.load(bench.run.assembled_onnx)
    lines = [str(line) for line in client._classes(model, profiles.load("robotics-academy"))]
    assert lines == ["  ✓ class 1 is 'Person'"]


def test_ids_for_names(bench):
    bench.replace_core(toy.core_model(), classes=("1", "2", "3"))
    with pytest.raises(UserError, match=r"not named \(1, 2, 3 are their ids\): convert --classes a,b … names them"):
        bench.assemble("--profile", "robotics-academy")


def test_flags_that_contradict_the_profile(people, bench):
    with pytest.raises(UserError, match="--channels rgb contradicts --profile robotics-academy"):
        people.assemble("--profile", "robotics-academy", "--channels", "rgb")
    bench.replace_core(toy.core_model())
    with pytest.raises(UserError, match="looks for person; the model's classes are circle, square, triangle"):
        bench.assemble("--profile", "robotics-academy")


def _turn(model):
    outputs = list(model.graph.output)
    del model.graph.output[:]
    model.graph.output.extend([outputs[1], outputs[0], *outputs[2:]])


def _newer(model):
    model.ir_version = 10


def _float_input(model):
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT


def _pixels(model):
    _behind(model, "detection_boxes", "Mul", np.float32(300))


def _from_zero(model):
    _behind(model, "detection_classes", "Sub", np.float32(1))


def _scalar(model):
    count = model.graph.output[3]
    node = next(node for node in model.graph.node if count.name in node.output)
    node.output[0] = "counts"
    model.graph.node.append(helper.make_node("ReduceMax", ["counts"], [count.name], keepdims=0))
    count.CopyFrom(helper.make_tensor_value_info(count.name, onnx.TensorProto.FLOAT, []))


def _behind(model, output, operator, value):
    node = next(node for node in model.graph.node if output in node.output)
    node.output[list(node.output).index(output)] = "before"
    model.graph.initializer.append(numpy_helper.from_array(value, "behind"))
    model.graph.node.append(helper.make_node(operator, ["before", "behind"], [output]))


@pytest.mark.parametrize(
    ("made", "change", "line"),
    [
        ({"channels": "rgb"}, None, "red and blue are swapped"),
        ({"order": ("tree", "person", "car")}, None, "class 1 is 'tree': the client runs, but silently finds nothing"),
        ({}, _turn, "detection_classes as detection_boxes.*runs, but silently finds nothing"),
        ({}, _newer, "IR version 10.*the client stops"),
        ({}, _float_input, "of float32: the client stops: it feeds uint8"),
        ({}, _pixels, "boxes up to .*silently finds nothing"),
        ({}, _from_zero, "class ids from 0: the client runs, but silently finds nothing"),
        ({}, _scalar, "reads num_detections"),
        ({"thresholds": Thresholds(score=0.0, max_detections=1000)}, None, "scores down to .*it has no threshold"),
    ],
)
def test_a_client_s_stumbling_blocks_are_told_line_by_line(written, capsys, made, change, line):
    sound = {"channels": "bgr", "order": ("person", "tree", "car")}
    model = model_of(**(sound | made))
    if change:
        change(model)
    path = written(model)
    try:
        check.account(path, profiles.load("robotics-academy"), None)
    except CheckFailed as error:
        assert "is not for the client of robotics-academy" in str(error)
    assert re.search(line, capsys.readouterr().out)


def test_a_sound_model_passes(written, capsys):
    model = model_of(channels="bgr", order=("person", "tree", "car"))
    check.account(written(model), profiles.load("robotics-academy"), None)
    said = capsys.readouterr().out
    assert "✗" not in said and "run under ONNX Runtime 1.15" in said and "class 1 is 'person'" in said
    check.account(written(model_of()), profiles.load("tf-od-api"), None)


def test_a_file_of_another_origin(written, capsys):
    """A bare scores and boxes graph, as pytorch-ssd exports it."""
    with pytest.raises(CheckFailed):
        check.account(written(toy.core_model()), profiles.load("robotics-academy"), None)
    said = capsys.readouterr().out
    assert "it feeds uint8" in said and "not said in the file" in said and "class 1 not named" in said


def test_the_verb_s_script(written):
    script = check.__file__
    done = subprocess.run(
        [sys.executable, script, str(written(model_of())), "--profile", "robotics"], capture_output=True, text=True
    )
    assert done.returncode == 2 and "opencv, robotics-academy, tf-od-api" in done.stderr
