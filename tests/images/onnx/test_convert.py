"""Detectors with other projects' layouts, converted and published: they find what is drawn, where it is drawn."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import assemble
import convert
import gate
import identify
import made_elsewhere as elsewhere
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from PIL import Image

from isomer import files
from isomer.contract import Core
from isomer.errors import UserError
from isomer.graph.parts import has_raw
from isomer.run import RunFolder

GREY = 114
# In a picture twice as wide as high, of the 64 cells of 8 pixels of a 64x64 input: column, row.
STRETCHED = {"red": (2, 3), "green": (5, 1), "blue": (6, 6)}
LETTERBOXED = {"red": (2, 3), "green": (5, 2), "blue": (6, 5)}  # rows 2 to 5 are the picture's
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
NAMES = ("red", "green", "blue")


def picture(squares: dict[str, tuple[int, int]], letterboxed: bool, scale: int = 2) -> tuple[np.ndarray, dict]:
    """A picture of 128x64 times `scale` / 2 with a square for each colour, and its box as fractions by colour."""
    cell_x = 16
    cell_y = 16 if letterboxed else 8
    pixels = np.full((64, 128, 3), GREY, np.uint8)
    boxes = {}
    for name, (column, row) in squares.items():
        row = row - 2 if letterboxed else row
        pixels[row * cell_y : (row + 1) * cell_y, column * cell_x : (column + 1) * cell_x] = COLOURS[name]
        rows = 4 if letterboxed else 8
        boxes[name] = [row / rows, column / 8, (row + 1) / rows, (column + 1) / 8]
    return pixels.repeat(scale // 2, 0).repeat(scale // 2, 1), boxes


class Bench:
    """A data volume, and convert's steps on it as the launcher runs them."""

    def __init__(self, root: Path, monkeypatch):
        self.root, self._monkeypatch = root, monkeypatch
        monkeypatch.setenv("ISOMER_DATA", str(root / "volume"))
        self.run = RunFolder(root / "volume" / "runs" / "m")
        self.published = root / "volume" / "models" / "m.onnx"
        self.pictures = root / "pictures"
        self.pictures.mkdir()
        for index, letterboxed in enumerate((False, True)):
            drawn = picture(LETTERBOXED if letterboxed else STRETCHED, letterboxed)[0]
            Image.fromarray(drawn).save(self.pictures / f"{index}.png")

    def save(self, model: onnx.ModelProto) -> Path:
        path = self.root / "model.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    def convert(self, model: onnx.ModelProto | Path, *flags: str, around: tuple[str, ...] = (), gated: bool = False):
        path = model if isinstance(model, Path) else self.save(model)
        if "--pictures" not in flags and "--data" not in flags:
            flags = (*flags, "--pictures", str(self.pictures))
        for script in (identify, convert):
            self._call(script, str(path), "--name", "m", *flags)
        self._call(assemble, "--run", "m", *around)
        if gated:
            self._call(gate, "--run", "m", *around)

    def _call(self, script, *argv: str) -> None:
        self._monkeypatch.setattr(sys, "argv", [script.__name__, *argv])
        script.main()

    def finds(self, drawn: dict, letterboxed: bool, names: tuple[str, ...] = NAMES) -> None:
        """The model finds the squares, each where it is and by its id, in a batch of two sizes of picture."""
        session = onnxruntime.InferenceSession(self.run.assembled_onnx, providers=["CPUExecutionProvider"])
        for scale in (2, 4):
            pixels, boxes = picture(drawn, letterboxed, scale)
            batch = np.stack([pixels, np.full_like(pixels, GREY), pixels])
            found, ids, scores, count = session.run(None, {"image": batch})
            assert count.tolist() == [3, 0, 3]
            assert (scores[0, :3] > 0.4).all()
            for index in (0, 2):
                by_name = {names[int(i) - 1]: box for i, box in zip(ids[index, :3], found[index], strict=False)}
                assert by_name.keys() == boxes.keys()
                for name, box in boxes.items():
                    np.testing.assert_allclose(by_name[name], box, atol=1e-3)


@pytest.fixture
def bench(tmp_path, monkeypatch):
    return Bench(tmp_path, monkeypatch)


LAYOUTS = {
    "yolov8": (elsewhere.yolov8, True),
    "yolov5": (elsewhere.yolov5, True),
    "yolox": (elsewhere.yolox, True),
    "nanodet": (elsewhere.nanodet, False),
    "ssd": (elsewhere.ssd, False),
    "end to end": (elsewhere.end_to_end, False),
    "tensorflow": (elsewhere.tensorflow, False),
    "torchvision": (elsewhere.torchvision, False),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_finds_what_is_drawn(bench, name):
    make, letterboxed = LAYOUTS[name]
    bench.convert(make(), "--classes", "red,green,blue", gated=True)
    bench.finds(LETTERBOXED if letterboxed else STRETCHED, letterboxed)
    verdict = json.loads(bench.run.gate_json.read_text())
    assert verdict["passed"] and bench.published.is_file()
    model = onnx.load(bench.published)
    is_whole = name in ("end to end", "torchvision")
    assert has_raw(model) is not is_whole
    about = {item.key.removeprefix("isomer."): item.value for item in model.metadata_props}
    assert about["source"] == "model.onnx" and about["source_kind"] == "onnx"
    assert about["source_sha256"] == files.sha256_of_file(bench.root / "model.onnx")
    pairs = next(check for check in verdict["checks"] if check["name"] == "detections unmatched")
    assert int(pairs["detail"].split()[0]) > 50, "the probes show something"


@pytest.mark.parametrize("name", ["yolov8", "end to end"])
@pytest.mark.parametrize("around", [("--channels", "bgr"), ("--class-order", "blue,red,green")])
def test_as_exports_are_made(bench, name, around):
    bench.convert(LAYOUTS[name][0](), "--classes", "red,green,blue", "--resize", "stretch", around=around)
    session = onnxruntime.InferenceSession(bench.run.assembled_onnx, providers=["CPUExecutionProvider"])
    pixels, boxes = picture(STRETCHED, False)
    names = around[1].split(",") if around[0] == "--class-order" else NAMES
    taken = pixels[..., ::-1].copy() if "bgr" in around else pixels
    found, ids, _, count = session.run(None, {"image": taken[None]})
    assert count == 3
    for index in range(3):
        np.testing.assert_allclose(found[0, index], boxes[names[int(ids[0, index]) - 1]], atol=1e-3)


@pytest.mark.parametrize("opset", [11, 13, 21])
@pytest.mark.parametrize("name", ["yolov8", "yolov5"])
def test_other_opsets(bench, name, opset):
    make, letterboxed = LAYOUTS[name]
    model = make(ir=10 if opset > 18 else 6)
    model.opset_import[0].version = opset  # its operators mean the same in all of these
    bench.convert(model, "--classes", "red,green,blue")
    bench.finds(LETTERBOXED, letterboxed)
    made = onnx.load(bench.run.assembled_onnx)
    assert (made.opset_import[0].version, made.ir_version) == (18, 8)


def test_half_precision_inputs_and_outputs(bench):
    model = elsewhere.yolov8()
    graph = model.graph
    graph.input[0].type.tensor_type.elem_type = graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    for node in graph.node:
        node.input[:] = ["wide" if value == "images" else value for value in node.input]
        node.output[:] = ["narrow" if value == "output0" else value for value in node.output]
    graph.node.insert(0, helper.make_node("Cast", ["images"], ["wide"], to=TensorProto.FLOAT))
    graph.node.append(helper.make_node("Cast", ["narrow"], ["output0"], to=TensorProto.FLOAT16))
    del graph.value_info[:]
    bench.convert(model, "--classes", "red,green,blue")
    bench.finds(LETTERBOXED, True)


def test_a_free_batch_stays(bench):
    cells = elsewhere.look(0, 1)
    for node in cells.build.nodes:
        if node.op_type == "Reshape":
            node.input[1] = cells.build.ints(0, 3, -1)
    both = cells.build.op("Concat", cells.constant(cells.centres()), cells.scores, axis=2)
    both = cells.build.op("Transpose", both, perm=[0, 2, 1])
    bench.convert(elsewhere.model(cells, {"o": (both, 1)}, batch="n"), "--classes", "red,green,blue")
    bench.finds(LETTERBOXED, True)
    assert "Loop" not in {node.op_type for node in onnx.load(bench.run.assembled_onnx).graph.node}


@pytest.mark.parametrize("order", [("num", "classes", "scores", "boxes"), ("boxes", "scores", "classes")])
def test_tensorflow_s_outputs_in_any_order_and_count(bench, order):
    bench.convert(elsewhere.tensorflow(order), "--classes", "red,green,blue")
    bench.finds(STRETCHED, False)


def test_outputs_without_telling_names(bench):
    """Which is what shows in the values alone."""
    model = elsewhere.tensorflow()
    new = {"detection_boxes": "a:0", "detection_scores": "b:0", "detection_classes": "c:0", "num_detections": "d:0"}
    for node in model.graph.node:
        node.output[:] = [new.get(value, value) for value in node.output]
    for item in model.graph.output:
        item.name = new[item.name]
    bench.convert(model, "--classes", "red,green,blue")
    bench.finds(STRETCHED, False)


@pytest.mark.parametrize("more", [{"logits": True}, {"scores_name": "x"}, {"background": "last"}])
def test_scores_and_their_background(bench, more):
    flags = ("--mean", "127", "--std", "128") if "background" in more else ()
    bench.convert(elsewhere.ssd(**more), "--classes", "red,green,blue", *flags)
    bench.finds(STRETCHED, False)


def test_declared(bench):
    """Outputs and preparation as the user says: boxes that look like corners in another order, pixels as they are."""
    cells = elsewhere.look(0, 255)
    boxes = cells.constant((cells.corners() / elsewhere.SIDE)[:, [1, 0, 3, 2]])
    model = elsewhere.model(cells, {"p": (boxes, 1), "q": (cells.scores, 1), "r": (cells.zeros, 1)})
    bench.convert(
        model, "--classes", "red,green,blue", "--outputs", "boxes=p,scores=q", "--box-order", "yxyx", "--std", "1"
    )
    bench.finds(STRETCHED, False)


def test_names_of_the_file_or_the_ids(bench, capsys):
    bench.convert(elsewhere.yolov8(names="{0: 'red', 1: 'green', 2: 'blue'}"))
    core = Core.from_json(json.loads(bench.run.core_json.read_text()))
    assert core.classes == NAMES
    bench.convert(elsewhere.yolov8())
    core = Core.from_json(json.loads(bench.run.core_json.read_text()))
    assert core.classes == ("1", "2", "3")
    assert "no class names found: the ids 1 to 3 are the names" in capsys.readouterr().out
    (bench.root / "labels.txt").write_text("BACKGROUND\nred\ngreen\nblue\n")
    bench.convert(elsewhere.yolov8())
    core = Core.from_json(json.loads(bench.run.core_json.read_text()))
    assert core.classes == NAMES


def test_masks_behind_the_classes_are_left_out(bench):
    cells = elsewhere.look(0, 1)
    masks = cells.constant(np.random.default_rng(0).normal(0, 3, (len(cells.places), 32)))
    both = cells.build.op("Concat", cells.constant(cells.centres()), cells.scores, masks, axis=2)
    prototypes = cells.build.op("Reshape", masks, cells.build.ints(1, 32, -1, 4))
    both = cells.build.op("Transpose", both, perm=[0, 2, 1])
    model = elsewhere.model(
        cells, {"output0": (both, 1), "output1": (prototypes, 1)}, names="['red', 'green', 'blue']", task="segment"
    )
    bench.convert(model)
    bench.finds(LETTERBOXED, True)


def test_a_second_time_is_the_same(bench):
    bench.convert(elsewhere.end_to_end(), "--classes", "red,green,blue")
    first = bench.run.assembled_onnx.read_bytes()
    bench.convert(elsewhere.end_to_end(), "--classes", "red,green,blue")
    assert bench.run.assembled_onnx.read_bytes() == first
    bench.convert(elsewhere.yolov8(), "--classes", "red,green,blue")
    assert not bench.run.whole_onnx.exists(), "of the earlier model nothing is left"


def scaled(model: onnx.ModelProto, side: int) -> onnx.ModelProto:
    for place in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[place].dim_value = side
    return model


BAD = {
    "no picture": (
        lambda: helper.make_model(
            helper.make_graph(
                [helper.make_node("Relu", ["x"], ["y"])],
                "g",
                [helper.make_tensor_value_info("x", 1, [1, 10])],
                [helper.make_tensor_value_info("y", 1, [1, 10])],
            ),
            ir_version=8,
            opset_imports=[helper.make_opsetid("", 18)],
        ),
        (),
        r"takes no colour pictures .*x float32 \[1, 10\]",
    ),
    "a classifier": (
        lambda: elsewhere.model(
            (cells := elsewhere.look(0, 1)),
            {"prob": (cells.build.op("ReduceMax", cells.scores, cells.build.ints(1), keepdims=0), 1)},
        ),
        (),
        r"Seen: input images float32 .*prob float32 \[1, 3\].*Declare them: --outputs",
    ),
    "no class": (
        lambda: elsewhere.model((cells := elsewhere.look(0, 1)), {"output0": (no_class(cells), 1)}),
        (),
        "class",
    ),
    "only a background": (
        lambda: elsewhere.model(
            (cells := elsewhere.look(0, 1)),
            {
                "boxes": (cells.constant(cells.corners() / 64), 1),
                "scores": (cells.build.op("Add", cells.zeros, cells.build.floats(1.0)), 1),
            },
        ),
        ("--classes", ","),
        "no name|no class|names",
    ),
    "another size": (elsewhere.yolov8, ("--size", "128"), "--size 128: the graph takes 64x64"),
    "an unknown output": (elsewhere.yolov8, ("--outputs", "output1"), r"unknown output \(--outputs\) 'output1'"),
    "an unknown role": (elsewhere.yolov8, ("--outputs", "box=output0"), "unknown role"),
    "an unknown input": (elsewhere.yolov8, ("--inputs", "image"), "unknown input"),
    "too many names": (elsewhere.yolov8, ("--classes", "a,b,c,d"), "4 names"),
    "a classifier by its own words": (lambda: elsewhere.yolov8(task="classify"), (), "no detector"),
    "one runtime's": (
        lambda: [model := elsewhere.yolov8(), model.opset_import.add(domain="com.microsoft", version=1), model][-1],
        (),
        None,
    ),
}


def no_class(cells) -> str:
    both = cells.build.op("Concat", cells.constant(cells.centres()), cells.zeros, axis=2)
    return cells.build.op("Concat", both, both, both, axis=1)


@pytest.mark.parametrize("name", [name for name in BAD if BAD[name][2]])
def test_refused(bench, name):
    make, flags, said = BAD[name]
    with pytest.raises(UserError, match=said) as error:
        bench.convert(make(), *flags)
    assert "\n" not in str(error.value)
    assert not bench.published.exists() and not bench.run.core_onnx.exists()


def test_real_ultra_light_face_models(bench, cases):
    """The file with its decoding and the one without it are the same detector: anchors and variances are right."""
    folder = cases / "models" / "pytorch-ssd-ultralight-face"
    found = []
    for name in ("version-RFB-320.onnx", "version-RFB-320_without_postprocessing.onnx"):
        bench.convert(folder / name, "--pictures", str(cases / "people-images"))
        session = onnxruntime.InferenceSession(bench.run.assembled_onnx, providers=["CPUExecutionProvider"])
        pixels = np.asarray(Image.open(cases / "people-images" / "cocossd_image1.jpg").convert("RGB"))
        found.append(session.run(None, {"image": pixels[None]}))
    assert Core.from_json(json.loads(bench.run.core_json.read_text())).classes == ("face",)
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)
