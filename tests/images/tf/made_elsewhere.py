"""Little but real detectors as other people export them, with known weights: nothing in them is learned."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
CLASSES = 3
STRIDES = (8, 16)
PER_CELL = 2
IOU, SCORE, MOST = 0.6, 1e-8, 30


@contextlib.contextmanager
def old_control_flow(wanted: bool) -> Iterator[None]:
    """TensorFlow 1's loops: frames of Enter and Exit, where TensorFlow 2 writes functions."""
    if wanted:
        v1.disable_control_flow_v2()
    try:
        yield
    finally:
        v1.enable_control_flow_v2()


class Weights:
    """Random numbers under the names of variables, the same for the same name."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def __call__(self, name: str, *shape: int, scale: float | None = None) -> np.ndarray:
        random = np.random.default_rng([self.seed, *name.encode()])
        scale = scale or 1.6 / np.sqrt(np.prod(shape[:-1]))
        return random.normal(0, scale, shape).astype(np.float32)


def anchors(height: int, width: int) -> np.ndarray:
    """[A, 4]: ymin, xmin, ymax, xmax as fractions, level by level."""
    levels = []
    for stride in STRIDES:
        rows, columns = -(-height // stride), -(-width // stride)
        y, x = np.meshgrid((np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns, indexing="ij")
        for_each = [np.stack([y - s, x - s, y + s, x + s], -1) for s in (stride / 96, stride / 60)][:PER_CELL]
        levels.append(np.stack(for_each, 2).reshape(-1, 4))
    return np.concatenate(levels).astype(np.float32)


def decode(encodings: tf.Tensor, boxes: tf.Tensor) -> tf.Tensor:
    """As the Object Detection API's FasterRcnnBoxCoder with scales 10, 10, 5, 5: rows of all pictures in one list."""
    ymin, xmin, ymax, xmax = tf.unstack(tf.transpose(boxes))
    ty, tx, th, tw = tf.unstack(tf.transpose(encodings))
    height, width = ymax - ymin, xmax - xmin
    h, w = tf.exp(th / 5) * height, tf.exp(tw / 5) * width
    y, x = ty / 10 * height + (ymin + ymax) / 2, tx / 10 * width + (xmin + xmax) / 2
    return tf.transpose(tf.stack([y - h / 2, x - w / 2, y + h / 2, x + w / 2]))


def network(images: tf.Tensor, weights: Callable, batch: int | None) -> tuple[tf.Tensor, tf.Tensor]:
    """Normalised pictures [n, h, w, 3] to encodings [n, A, 4] and logits [n, A, CLASSES + 1], as an SSD's."""

    def layer(x, name: str, channels: int, stride: int, relu: bool = True) -> tf.Tensor:
        with v1.name_scope(name):
            made = tf.nn.conv2d(x, weights(name, 3, 3, x.shape[-1], channels), stride, "SAME")
            made = tf.nn.bias_add(made, weights(f"{name}/bias", channels, scale=0.5))
            return tf.nn.relu6(made) if relu else made

    with v1.name_scope("FeatureExtractor/MobilenetV1"):
        x = layer(images, "Conv2d_0", 8, 2)
        x = tf.nn.relu6(tf.nn.depthwise_conv2d(x, weights("depthwise", 3, 3, 8, 1, scale=0.4), [1, 2, 2, 1], "SAME"))
        maps = [layer(x, "Conv2d_1", 16, 2)]
        maps.append(layer(maps[0], "Conv2d_2", 16, 2))
    encodings, logits = [], []
    for level, one in enumerate(maps):
        with v1.name_scope(f"BoxPredictor_{level}"):
            count = tf.shape(one)[0] if batch is None else batch
            cells = one.shape[1] * one.shape[2] * PER_CELL
            boxes = layer(one, f"BoxEncodingPredictor{level}", PER_CELL * 4, 1, relu=False)
            encodings.append(tf.squeeze(tf.reshape(boxes, [count, cells, 1, 4]), 2))
            scores = layer(one, f"ClassPredictor{level}", PER_CELL * (CLASSES + 1), 1, relu=False)
            logits.append(tf.reshape(scores, [count, cells, CLASSES + 1]))
    return tf.concat(encodings, 1), tf.concat(logits, 1)


def suppress(boxes: tf.Tensor, scores: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """One picture's boxes [A, 4] and scores [A, C] by NMS class by class, as the Object Detection API's."""
    boxes = tf.clip_by_value(boxes, 0.0, 1.0)
    found = []
    for column in range(CLASSES):
        kept = tf.image.non_max_suppression(boxes, scores[:, column], MOST, IOU, SCORE)
        number = tf.fill([tf.shape(kept)[0]], float(column))
        found.append((tf.gather(boxes, kept), tf.gather(scores[:, column], kept), number))
    all_boxes, all_scores, classes = (tf.concat(one, 0) for one in zip(*found, strict=True))
    count = tf.minimum(tf.shape(all_scores)[0], MOST)
    best = tf.argsort(all_scores, direction="DESCENDING")[:count]
    missing = MOST - count
    padded = [tf.gather(one, best) for one in (all_boxes, all_scores, classes)]
    padded = [tf.pad(one, [[0, missing]] + [[0, 0]] * (len(one.shape) - 1)) for one in padded]
    return (*(tf.ensure_shape(one, [MOST, *one.shape[1:]]) for one in padded), tf.cast(count, tf.float32))


def ssd(
    size: tuple[int, int] = (64, 64),
    *,
    fixed: bool = False,
    batch: int | None = None,
    dtype: str = "uint8",
    old: bool = True,
    nms: bool = True,
) -> tf.compat.v1.GraphDef:
    """A graph as the Object Detection API froze them with TensorFlow 1.

    Args:
        fixed: the input has this size, and nothing is resized inside; else it takes any.
        old: with TensorFlow 1's loops.
        nms: with the post-processing; else it ends in boxes and scores of all anchors.
    """
    with old_control_flow(old), tf.Graph().as_default() as graph:
        finish(Weights(), size, fixed=fixed, batch=batch, dtype=dtype, nms=nms)
    return graph.as_graph_def()


def finish(weights: Callable, size: tuple[int, int], *, fixed: bool, batch: int | None, dtype: str, nms: bool) -> None:
    """The detector in the graph that is the default one."""
    sides = list(size) if fixed else [None, None]
    images = v1.placeholder(dtype, [batch, *sides, 3], name="image_tensor")
    x = tf.cast(images, tf.float32, name="ToFloat")
    with v1.name_scope("Preprocessor"):
        if not fixed:
            x = tf.map_fn(lambda one: v1.image.resize_images(one, size), x)
            x = tf.ensure_shape(x, [batch, *size, 3])
        x = tf.subtract(tf.multiply(2 / 255, x), 1.0, name="sub")
    encodings, logits = network(x, weights, batch)
    with v1.name_scope("Postprocessor"):
        count = tf.shape(encodings)[0] if batch is None else batch
        known = anchors(*size)
        tiled = tf.reshape(tf.tile(known[None], [count, 1, 1]), [-1, 4])
        with v1.name_scope("Decode"):
            flat = decode(tf.reshape(encodings, [-1, 4]), tiled)
        boxes = tf.expand_dims(tf.reshape(flat, [count, len(known), 4]), 2)
        scores = tf.sigmoid(logits, name="convert_scores")[:, :, 1:]
        if nms:
            with v1.name_scope("BatchMultiClassNonMaxSuppression"):
                types = (tf.float32,) * 4
                found = tf.map_fn(lambda one: suppress(one[0][:, 0], one[1]), (boxes, scores), types)
    if nms:
        tf.identity(found[0], "detection_boxes")
        tf.identity(found[1], "detection_scores")
        tf.add(found[2], 1.0, "detection_classes")
        tf.identity(found[3], "num_detections")
    else:
        tf.identity(boxes, "raw_detection_boxes")
        tf.identity(scores, "raw_detection_scores")


def write(definition: tf.compat.v1.GraphDef, path: Path) -> Path:
    path.write_bytes(definition.SerializeToString())
    return path


def checkpoint(folder: Path, size: tuple[int, int] = (64, 96)) -> Path:
    """The same network with variables, saved by a Saver: the checkpoint's prefix."""
    with old_control_flow(True), tf.Graph().as_default(), v1.Session() as session:
        weights = Weights()

        def variable(name: str, *shape: int, scale: float | None = None) -> tf.Tensor:
            return v1.get_variable(name.replace("/", "_"), initializer=weights(name, *shape, scale=scale))

        with v1.variable_scope("ssd", use_resource=False):
            finish(variable, size, fixed=True, batch=1, dtype="uint8", nms=True)
        session.run(v1.global_variables_initializer())
        return Path(v1.train.Saver().save(session, str(folder / "model.ckpt"), global_step=100))


class Detector(tf.Module):
    """A SavedModel's module as TensorFlow 2's exporters write it: uint8 [n, ?, ?, 3] to detections in a dictionary.

    Args:
        combined: by tf.image.combined_non_max_suppression, else by a loop over pictures.
    """

    def __init__(self, size: tuple[int, int] = (64, 96), batch: int | None = 1, combined: bool = True) -> None:
        super().__init__()
        self.size, self.batch, self.combined = size, batch, combined
        self.variables_by_name: dict[str, tf.Variable] = {}
        numbers = Weights()

        def variable(name: str, *shape: int, scale: float | None = None) -> tf.Variable:
            if name not in self.variables_by_name:
                self.variables_by_name[name] = tf.Variable(numbers(name, *shape, scale=scale), name=name)
            return self.variables_by_name[name]

        self.weights = variable
        self.call = tf.function(
            self._call, input_signature=[tf.TensorSpec([batch, None, None, 3], tf.uint8, name="input_tensor")]
        )

    def _call(self, input_tensor: tf.Tensor) -> dict[str, tf.Tensor]:
        def prepare(one: tf.Tensor) -> tf.Tensor:
            return tf.image.resize(tf.cast(one, tf.float32), self.size)

        images = tf.map_fn(prepare, input_tensor, fn_output_signature=tf.float32)
        images = tf.ensure_shape(images, [self.batch, *self.size, 3]) / 127.5 - 1
        encodings, logits = network(images, self.weights, self.batch)
        count = tf.shape(encodings)[0] if self.batch is None else self.batch
        known = anchors(*self.size)
        tiled = tf.reshape(tf.tile(known[None], [count, 1, 1]), [-1, 4])
        boxes = tf.reshape(decode(tf.reshape(encodings, [-1, 4]), tiled), [count, len(known), 4])
        scores = tf.sigmoid(logits)[..., 1:]
        if self.combined:
            names = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")
            found = tf.image.combined_non_max_suppression(
                boxes[:, :, None], scores, MOST, MOST, IOU, SCORE, clip_boxes=True
            )
            found = dict(zip(names, found, strict=True))
            found["detection_classes"] += 1
            return found
        types = (tf.float32,) * 4
        boxes_of, scores_of, classes, number = tf.map_fn(lambda one: suppress(*one), (boxes, scores), types)
        return {
            "detection_boxes": boxes_of,
            "detection_scores": scores_of,
            "detection_classes": classes + 1,
            "num_detections": number,
            "raw_detection_boxes": boxes,
            "raw_detection_scores": tf.sigmoid(logits),
        }


def saved_model(folder: Path, **options) -> Path:
    module = Detector(**options)
    module.call.get_concrete_function()
    tf.saved_model.save(module, str(folder), signatures=module.call)
    return folder
