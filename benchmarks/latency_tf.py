"""RetinaNet-MobileNetV2, one 640x480 uint8 frame to final boxes, one thread: ours against the Model Garden's export.

    PYTHONPATH=shared:images/tf TF_ENVIRONMENT/bin/python benchmarks/latency_tf.py ONNX_ENVIRONMENT/bin/python

The environments are those of the venv engine (`./inv doctor` shows where). Against the SavedModel that the Model
Garden's own export writes, run by TensorFlow, and against plain tf2onnx of that SavedModel, run by ONNX Runtime. All
hold the same weights, drawn at random, the class layer's bias set so that about twenty anchors are above the
threshold, and all stretch the frame, keep 100 boxes above 0.3 and suppress at 0.5. The Model Garden's NMS is "v2"
unless one configures another, a loop over classes; "batched" is TensorFlow's one operator. Of 90 classes only that one
is measured: tf2onnx does not come to an end with the 90 loops.

They are run in turn, so that a machine that gets slower slows all. ONNX Runtime's time is the thread's own, which other
processes do not lengthen; TensorFlow works in a thread of its pool, so of its processor time (which counts waiting in a
loop) and the time that passed (which other processes lengthen) the smaller is taken.
"""

from __future__ import annotations

import quiet  # noqa: F401 (before tensorflow)

# isort: split
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import latency
import numpy as np
import onnx_export
import recipe
import tensorflow as tf
import tensors
import tf_keras
from architectures import ARCHITECTURES
from inputs import normalise, resize
from model import Core as TfCore
from model import Task, config
from official.core import config_definitions, export_base
from official.vision.serving import detection
from official.vision.tasks.retinanet import RetinaNetTask

from isomer.contract import Core

NAME, SIZE = "retinanet_mobilenet_v2_fpnlite", 320
SAVED_MODEL, PLAIN = "Model Garden's SavedModel, NMS {}", "plain tf2onnx of it, NMS {}"
LIMITS = {what.format(nms): limit for what, limit in ((SAVED_MODEL, 3.0), (PLAIN, 1.5)) for nms in ("v2", "batched")}
MOST_AROUND = {1: 0.2, 90: 0.4}
VERSIONS = {1: ("v2", "batched"), 90: ("batched",)}


def main(python: str) -> None:
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    for classes, most_around in MOST_AROUND.items():
        with tempfile.TemporaryDirectory() as folder:
            latency.show(f"{NAME}, {classes} classes", measure(python, Path(folder), classes), LIMITS, most_around)


def measure(python: str, folder: Path, classes: int) -> latency.Turns:
    tf.random.set_seed(0)
    frame = tf.constant(latency.frame()[None])
    core = TfCore(Task(ARCHITECTURES[NAME], SIZE, classes, recipe.Recipe()))
    _settle(core, frame)
    (folder / "core.onnx").write_bytes(onnx_export.convert(core))
    about = Core(
        framework="tf",
        architecture=NAME,
        layout="NHWC",
        height=SIZE,
        width=SIZE,
        mean=recipe.MEAN,
        std=recipe.STD,
        classes=tuple(f"class {number}" for number in range(classes)),
        core_sha256="0" * 64,
        provenance={},
    )
    ours = {"path": str(folder / "core.onnx"), "core": about.to_json(), "score": latency.SCORE}
    models = {latency.OURS: {**ours, "kind": "contract"}, latency.CORE: {**ours, "kind": "core"}}
    here = {}
    for nms in VERSIONS[classes]:
        saved, plain = folder / nms, folder / f"{nms}.onnx"
        _export(core, classes, nms, saved)
        command = [sys.executable, "-m", "tf2onnx.convert", "--saved-model", str(saved), "--output", str(plain)]
        subprocess.run([*command, "--opset", "18"], check=True, capture_output=True)
        models[PLAIN.format(nms)] = {"path": str(plain), "kind": "uint8", "count": "num_detections"}
        here[SAVED_MODEL.format(nms)] = _served(saved, frame)
    return latency.take_turns(python, folder, models, here)


def _served(folder: Path, frame: tf.Tensor) -> latency.Call:
    serve = tf.saved_model.load(str(folder)).signatures["serving_default"]

    def call() -> tuple[float, int]:
        passed, worked = time.perf_counter(), time.process_time()
        count = int(serve(frame)["num_detections"][0])
        return min(time.perf_counter() - passed, time.process_time() - worked), count

    return call


def _export(core: TfCore, classes: int, nms: str, folder: Path) -> None:
    """The same detector through the Model Garden's own task and export."""
    wanted = config(ARCHITECTURES[NAME], SIZE, classes, recipe.Recipe())
    wanted.train_data.parser.keep_aspect_ratio = False
    generator = wanted.model.detection_generator
    generator.pre_nms_score_threshold = latency.SCORE
    generator.nms_iou_threshold = latency.IOU
    generator.max_num_detections = latency.MOST
    generator.nms_version = nms
    stock = RetinaNetTask(wanted).build_model()
    stock.head(stock.decoder(stock.backbone(tf.zeros([1, SIZE, SIZE, 3]))))
    values = tensors.variables(core.model)
    for name, variable in tensors.variables(stock).items():
        if name in values:  # not the backbone's layers behind the last map that is used
            variable.assign(values[name])
    params = config_definitions.ExperimentConfig(task=wanted)
    module = detection.DetectionModule(params, batch_size=1, input_image_size=[SIZE, SIZE], model=stock)
    export_base.export(module, ["image_tensor"], str(folder), timestamped=False)


def _settle(core: TfCore, frame: tf.Tensor) -> None:
    """Batch statistics of a real picture, class layers that tell anchors apart, and as many above the threshold as a
    trained detector has in a busy frame."""
    images = normalise(resize(frame, SIZE))
    pair = tf.concat([images, images[:, :, ::-1]], axis=0)
    model = core.model
    norms = [layer for layer in model.submodules if isinstance(layer, tf_keras.layers.BatchNormalization)]
    for layer in norms:
        layer.momentum = 0.0
    model.head(model.decoder(model.backbone(pair, training=True), training=True), training=True)
    classifier = model.head._classifier
    for name, variable in ((item.name, item) for item in classifier.trainable_variables):
        if "bias" not in name:
            variable.assign(tf.random.normal(variable.shape, stddev=0.3))
    best = tf.reduce_max(core(images)[1], axis=2)[0]
    logits = np.sort(np.log(best) - np.log1p(-best))[::-1]
    shift = np.log(latency.SCORE / (1 - latency.SCORE)) - logits[latency.ANCHORS_ABOVE]
    bias = next(item for item in classifier.trainable_variables if "bias" in item.name)
    bias.assign_add(tf.fill(bias.shape, tf.cast(shift, tf.float32)))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__))
