"""The detectors: the Model Garden's RetinaNet task for any architecture, size and number of classes.

Papers: https://arxiv.org/abs/1708.02002 (RetinaNet), https://arxiv.org/abs/1801.04381 (MobileNetV2),
https://arxiv.org/abs/1512.03385 (ResNet), https://arxiv.org/abs/2010.11426 (mobile SpineNet).
"""

from __future__ import annotations

import tensorflow as tf
import tf_keras
from architectures import MIN_LEVEL, MOST_MAX_LEVEL, Architecture
from official.vision.configs import backbones, common, decoders, retinanet
from official.vision.modeling import factory
from official.vision.modeling.backbones.factory import build_backbone
from official.vision.ops import box_ops
from official.vision.tasks.retinanet import RetinaNetTask
from pyramid import feature_pyramid
from recipe import Recipe
from targets import Anchors


class Task(RetinaNetTask):
    """The Model Garden's task, with a pyramid for any size and inputs as the contract has them."""

    def __init__(self, architecture: Architecture, size: int, classes: int, numbers: Recipe) -> None:
        super().__init__(config(architecture, size, classes, numbers))
        self.architecture = architecture
        self.anchors = Anchors(architecture, size)

    def build_model(self) -> tf_keras.Model:
        """Normalised images [n, size, size, 3] to logits and box deltas by level."""
        wanted = self.task_config.model
        spec = tf_keras.layers.InputSpec(shape=[None, *wanted.input_size])
        whole = build_backbone(spec, wanted.backbone, wanted.norm_activation)
        if wanted.decoder.type == "identity":
            model = factory.build_retinanet(spec, wanted, backbone=whole)
            model.head(model.backbone(tf_keras.Input(wanted.input_size)))  # which the factory leaves without variables
            return model
        # A classifier's last convolution, and maps below the pyramid's first level, would be computed for nothing.
        specs = {level: shape for level, shape in whole.output_specs.items() if int(level) >= wanted.min_level}
        backbone = tf_keras.Model(whole.input, {level: whole.output[level] for level in specs}, name="backbone")
        return factory.build_retinanet(spec, wanted, backbone=backbone, decoder=feature_pyramid(specs, wanted))


class Core(tf.Module):
    """What is exported: normalised images to decoded boxes and scores of all anchors, before NMS."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.architecture = task.architecture
        self.size = task.anchors.size
        self.model = task.build_model()
        self._columns = task.task_config.model.num_classes
        self._anchors = task.anchors.corners

    def __call__(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """float32 [n, size, size, 3] -> boxes [n, A, 4] (ymin, xmin, ymax, xmax, fractions, clipped to 0…1), scores
        [n, A, C] without the background's column, which comes first in the Model Garden."""
        # Not model(images): without `training` the Model Garden's goes on to NMS.
        maps = self.model.backbone(images, training=False)
        if self.model.decoder is not None:  # SpineNet is its own pyramid
            maps = self.model.decoder(maps, training=False)
        logits, deltas, _ = self.model.head(maps)
        boxes = box_ops.decode_boxes(_all_levels(deltas, 4), tf.constant(self._anchors)) / self.size
        scores = tf.sigmoid(_all_levels(logits, self._columns)[..., 1:])
        return tf.clip_by_value(boxes, 0.0, 1.0), scores


def _all_levels(outputs: dict[str, tf.Tensor], columns: int) -> tf.Tensor:
    """Maps [n, h, w, anchors * columns] by level as one tensor [n, A, columns], in the anchors' order."""
    return tf.concat(
        [
            tf.reshape(outputs[level], [-1, outputs[level].shape[1:].num_elements() // columns, columns])
            for level in sorted(outputs, key=int)
        ],
        axis=1,
    )


def config(architecture: Architecture, size: int, classes: int, numbers: Recipe) -> retinanet.RetinaNetTask:
    """The Model Garden's configuration; its `num_classes` counts the background."""
    filters, separable = architecture.filters, architecture.separable
    pyramid = {"fpn": decoders.FPN(num_filters=filters, use_separable_conv=separable)}
    spine = architecture.backbone == "spinenet_mobile"
    return retinanet.RetinaNetTask(
        model=retinanet.RetinaNet(
            num_classes=classes + 1,
            input_size=[size, size, 3],
            min_level=MIN_LEVEL,
            max_level=architecture.max_level(size),
            anchor=retinanet.Anchor(
                num_scales=architecture.anchor_scales,
                aspect_ratios=list(architecture.anchor_ratios),
                anchor_size=architecture.anchor_size,
            ),
            backbone=_backbone(architecture.backbone),
            decoder=decoders.Decoder(type="identity") if spine else decoders.Decoder(type="fpn", **pyramid),
            head=retinanet.RetinaNetHead(
                num_convs=architecture.head_convs, num_filters=filters, use_separable_conv=separable
            ),
            norm_activation=common.NormActivation(
                activation=architecture.activation, norm_momentum=numbers.norm_momentum, use_sync_bn=False
            ),
        ),
        losses=retinanet.Losses(
            focal_loss_alpha=numbers.focal_alpha,
            focal_loss_gamma=numbers.focal_gamma,
            box_loss_weight=numbers.box_loss_weight,
        ),
        use_coco_metrics=False,
    )


def _backbone(kind: str) -> backbones.Backbone:
    made = {
        "mobilenet": backbones.MobileNet(model_id="MobileNetV2"),
        "resnet": backbones.ResNet(model_id=50),
        # no stochastic depth: it pays in hundreds of epochs, and draws numbers that a resumed run would not draw again
        "spinenet_mobile": backbones.SpineNetMobile(model_id="49", min_level=MIN_LEVEL, max_level=MOST_MAX_LEVEL),
    }
    return backbones.Backbone(type=kind, **{kind: made[kind]})
