"""Models in every kind of file that TensorFlow's users have, from the file to core.onnx and native predictions."""

from __future__ import annotations

from pathlib import Path

import keras
import made_elsewhere as made
import numpy as np
import onnx
import pytest
import tensorflow as tf
import tf_keras
from conversions import SIZE, convert, core_of, same_as_native, volume, whole_of  # noqa: F401 (a fixture)

from isomer import native
from isomer.contract import Thresholds
from isomer.converting import reference
from isomer.dataset import canonical
from isomer.errors import UserError

v1 = tf.compat.v1
ANCHORS = len(made.anchors(*SIZE))
YOLO = 3 * (8 * 12 + 4 * 6 + 2 * 3)  # boxes of strides 8, 16, 32 at SIZE


def frozen(folder: Path, **options) -> Path:
    return made.write(made.ssd(SIZE, **options), folder / "frozen_inference_graph.pb")


@pytest.mark.parametrize("nms", [True, False], ids=["detections", "raw"])
@pytest.mark.parametrize(("fixed", "dtype"), [(True, "float32"), (False, "uint8")])
def test_frozen_graphs(volume, tmp_path, capsys, nms, fixed, dtype):  # noqa: F811
    run = convert(volume, "tf1-frozen", frozen(tmp_path, nms=nms, fixed=fixed, dtype=dtype, batch=1))
    core = core_of(run)
    assert (core.height, core.width, core.classes) == (*SIZE, ("1", "2", "3"))
    assert core.mean == core.std == (127.5,) * 3
    boxes, _ = same_as_native(run)
    assert boxes.shape[1:] == (ANCHORS, 4)
    said = capsys.readouterr().out
    assert "inputs: image_tensor" in said and "no class names found: the ids 1 to 3 are the names" in said
    assert ("detections that it gives itself" in said) is nms


def test_named_inputs_and_outputs(volume, tmp_path):  # noqa: F811
    path = frozen(tmp_path, fixed=True, batch=1)
    names = "boxes=Postprocessor/ExpandDims,scores=Postprocessor/strided_slice"
    with pytest.raises(UserError, match=r"--outputs Postprocessor/none: no such tensor in the graph"):
        convert(volume, "tf1-frozen", path, "--outputs", "boxes=Postprocessor/none")
    with pytest.raises(UserError, match=r"--inputs picture: no such tensor .* image_tensor"):
        convert(volume, "tf1-frozen", path, "--inputs", "picture")
    run = convert(volume, "tf1-frozen", path, "--inputs", "image_tensor", "--outputs", names, "--classes", "a,b,c")
    assert core_of(run).classes == ("a", "b", "c")
    same_as_native(run)


def test_checkpoint_with_its_graph(volume, tmp_path):  # noqa: F811
    run = convert(volume, "tf1-checkpoint", made.checkpoint(tmp_path, SIZE))
    same_as_native(run)


def test_saved_model_of_tensorflow_1(volume, tmp_path):  # noqa: F811
    with made.old_control_flow(True), tf.Graph().as_default() as graph, v1.Session() as session:
        made.finish(made.Weights(), SIZE, fixed=False, batch=None, dtype="uint8", nms=True)
        names = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")
        outputs = {name: graph.get_tensor_by_name(f"{name}:0") for name in names}
        v1.saved_model.simple_save(
            session, str(tmp_path / "saved"), {"inputs": graph.get_tensor_by_name("image_tensor:0")}, outputs
        )
    run = convert(volume, "saved-model", tmp_path / "saved")
    assert core_of(run).resize.coordinates == "asymmetric"
    same_as_native(run)


@pytest.mark.parametrize(("batch", "combined"), [(1, True), (None, False)])
def test_saved_model_of_tensorflow_2(volume, tmp_path, batch, combined):  # noqa: F811
    run = convert(
        volume, "saved-model", made.saved_model(tmp_path / "saved", size=SIZE, batch=batch, combined=combined)
    )
    same_as_native(run)


def known(library, taken, values: np.ndarray):
    """Numbers that do not depend on the picture, by layers alone: an older file holds no other operations."""
    layers = library.layers
    nothing = layers.GlobalAveragePooling2D()(layers.Rescaling(0.0)(taken))
    made = layers.Dense(values.size, bias_initializer=library.initializers.Constant(0.0))
    made.build((None, 3))
    made.set_weights([np.zeros((3, values.size), np.float32), values.ravel().astype(np.float32)])
    return layers.Reshape(values.shape)(made(nothing))


def heads(library, outputs: str):
    """A network of Keras on pictures of SIZE with boxes as people's own detectors have them, around the picture."""
    layers = library.layers
    taken = library.Input((*SIZE, 3), name="picture")
    x = layers.Rescaling(1 / 127.5, -1.0)(taken) if outputs != "yolov5" else taken
    maps = []
    for channels in (8, 8, 16):
        x = layers.Conv2D(channels, 3, 2, "same", activation="relu")(x)
    maps.append(x)
    for _ in range(2):
        maps.append(layers.Conv2D(16, 3, 2, "same", activation="relu")(maps[-1]))
    if outputs == "yolov5":
        tables = []
        for one, stride in zip(maps, (8, 16, 32), strict=True):
            rows, columns = SIZE[0] // stride, SIZE[1] // stride
            y, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
            table = layers.Conv2D(3 * 7, 1, activation="sigmoid")(one)
            table = layers.Reshape((rows * columns * 3, 7))(table)
            cells = np.repeat(np.stack([x, y], -1).reshape(-1, 2), 3, 0)
            shift = np.concatenate([cells - 0.5, np.zeros((len(cells), 5))], 1) * stride
            scale = np.array([2.0 * stride] * 2 + [4.0 * stride] * 2 + [1.0] * 3)
            tables.append(layers.Add()([layers.Rescaling(scale.tolist())(table), known(library, taken, shift)]))
        return library.Model(taken, layers.Concatenate(axis=1, name="output0")(tables))
    boxes, scores = [], []
    for one, stride in zip(maps[:2], (8, 16), strict=True):
        rows, columns = SIZE[0] // stride, SIZE[1] // stride
        y, x = np.meshgrid((np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns, indexing="ij")
        centres = [x, y] if outputs == "xyxy" else [y, x]
        corners = np.stack([*(one - 0.1 for one in centres), *(one + 0.1 for one in centres)], -1).reshape(-1, 4)
        moved = layers.Reshape((rows * columns, 4))(layers.Conv2D(4, 1, activation="tanh")(one))
        boxes.append(layers.Add()([layers.Rescaling(0.05)(moved), known(library, taken, corners)]))
        scores.append(layers.Reshape((rows * columns, 2))(layers.Conv2D(2, 1, activation="sigmoid")(one)))
    joined = [layers.Concatenate(axis=1, name=name)(one) for name, one in (("boxes", boxes), ("scores", scores))]
    return library.Model(taken, joined)


@pytest.mark.parametrize(("library", "suffix"), [(keras, ".keras"), (keras, ".h5"), (tf_keras, ".h5")])
@pytest.mark.parametrize("outputs", ["xyxy", "yxyx", "yolov5"])
def test_keras_files(volume, tmp_path, library, suffix, outputs):  # noqa: F811
    keras.utils.set_random_seed(1)
    model = heads(library, outputs)
    model.save(tmp_path / f"model{suffix}")
    run = convert(volume, "keras", tmp_path / f"model{suffix}")
    boxes, scores = same_as_native(run)
    assert core_of(run).classes == ("1", "2")
    # the middle of each box lies near its cell: x and y are not mixed up
    count = 8 * 12
    centres = (boxes[0, :count, :2] + boxes[0, :count, 2:]) / 2
    rows, columns = np.unravel_index(np.arange(count) if outputs != "yolov5" else np.arange(count) // 3, (8, 12))
    assert np.corrcoef(centres[:, 0], rows)[0, 1] > 0.9 and np.corrcoef(centres[:, 1], columns)[0, 1] > 0.9
    assert scores.shape[1] == (YOLO if outputs == "yolov5" else count + 4 * 6)


def test_a_plain_saved_model_of_keras(volume, tmp_path):  # noqa: F811
    heads(keras, "xyxy").export(tmp_path / "saved", verbose=False)
    same_as_native(convert(volume, "saved-model", tmp_path / "saved"))


@pytest.mark.parametrize("quantised", [False, True], ids=["float", "int8"])
@pytest.mark.parametrize("outputs", ["xyxy", "yolov5"])
def test_tensorflow_lite(volume, tmp_path, quantised, outputs):  # noqa: F811
    keras.utils.set_random_seed(1)
    converter = tf.lite.TFLiteConverter.from_keras_model(heads(tf_keras, outputs))
    if quantised:
        random = np.random.default_rng(0)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        pictures = [[random.uniform(0, 255, (1, *SIZE, 3)).astype(np.float32)] for _ in range(4)]
        converter.representative_dataset = lambda: iter(pictures)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    (tmp_path / "model.tflite").write_bytes(converter.convert())
    flags = ("--box-order", "xyxy") if outputs == "xyxy" else ("--decoder", "yolov5")
    run = convert(volume, "tflite", tmp_path / "model.tflite", *flags)
    same_as_native(run, atol=5e-3 if quantised else 1e-4, on_the_mean=quantised)
    assert core_of(run).classes == ("1", "2")


def test_a_detector_of_ids_from_0_that_cannot_be_cut(volume, tmp_path):  # noqa: F811
    """Its boxes are moved after the NMS, so no tensor before it holds them: it keeps its graph."""

    class Detector(made.Detector):
        def _call(self, input_tensor):
            found = super()._call(input_tensor)
            boxes = tf.clip_by_value(found["detection_boxes"] * 0.5 + 0.2, 0.0, 1.0)
            return {
                "boxes": boxes,
                "scores": found["detection_scores"],
                "labels": found["detection_classes"] - 1,
                "valid_detections": found["num_detections"],
            }

    module = Detector(size=SIZE)
    module.call.get_concrete_function()
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=module.call)
    run = convert(volume, "saved-model", tmp_path / "saved")
    whole = whole_of(run)
    assert (whole.first_class, whole.box_order, whole.box_unit, whole.classes) == (
        0,
        "yxyx",
        "fraction",
        ("1", "2", "3"),
    )
    onnx.checker.check_model(onnx.load(run.whole_onnx), full_check=True)
    probe = next(native.probes(reference.split_of(canonical.load(run.path / reference.FOLDER))))
    theirs = {name: value[0].numpy() for name, value in module.call(probe.pixels[:1]).items()}
    good = int((theirs["scores"] > Thresholds().for_evaluation().score).sum())
    with np.load(run.native / "probes.npz") as probes:
        np.testing.assert_allclose(probes[f"{probe.name}/0/boxes"], theirs["boxes"][:good], atol=1e-6)
        assert (probes[f"{probe.name}/0/classes"] == theirs["labels"][:good] + 1).all() and good


def test_what_is_no_detector(volume, tmp_path):  # noqa: F811
    taken = keras.Input((*SIZE, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(taken))
    keras.Model(taken, keras.layers.Dense(10, activation="softmax", name="label")(x)).save(tmp_path / "model.keras")
    with pytest.raises(UserError, match=r"Seen .*\[1, 10\].*Declare them: --outputs") as caught:
        convert(volume, "keras", tmp_path / "model.keras")
    assert "\n" not in str(caught.value)
    assert not (volume.runs / "made" / "core.onnx").exists()
