"""The detector: the Model Garden's RetinaNet task with a MobileNetV2 and a light pyramid, for any size and classes.

Papers: https://arxiv.org/abs/1708.02002 (RetinaNet), https://arxiv.org/abs/1801.04381 (MobileNetV2).
"""

from __future__ import annotations

import numpy as np
import recipe
import tensorflow as tf
import tf_keras
from inputs import Parser
from official.vision.configs import backbones, common, retinanet
from official.vision.modeling import factory
from official.vision.modeling.backbones.factory import build_backbone
from official.vision.ops import box_ops
from official.vision.tasks.retinanet import RetinaNetTask
from pyramid import feature_pyramid


class Task(RetinaNetTask):
    """The Model Garden's task, with a pyramid for any size and inputs as the contract has them."""

    def __init__(self, size: int, classes: int, numbers: recipe.Recipe) -> None:
        super().__init__(_config(size, classes, numbers))
        self.parser = Parser(size, numbers)

    def build_model(self) -> tf_keras.Model:
        """Normalised images [n, size, size, 3] to logits and box deltas by level."""
        config = self.task_config.model
        spec = tf_keras.layers.InputSpec(shape=[None, *config.input_size])
        whole = build_backbone(spec, config.backbone, config.norm_activation)
        # The classifier's last convolution, and maps below the pyramid's first level, would be computed for nothing.
        specs = {level: shape for level, shape in whole.output_specs.items() if int(level) >= config.min_level}
        backbone = tf_keras.Model(whole.input, {level: whole.output[level] for level in specs}, name="backbone")
        decoder = feature_pyramid(
            specs, config.max_level, config.decoder.fpn.num_filters, config.norm_activation.norm_momentum
        )
        return factory.build_retinanet(spec, config, backbone=backbone, decoder=decoder)


class Core(tf.Module):
    """What is exported: normalised images to decoded boxes and scores of all anchors, before NMS."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.size = task.parser.size
        self.model = task.build_model()
        self._columns = task.task_config.model.num_classes
        # numpy's, so that a graph takes them in as a constant, not as an input of its own
        self._anchors = np.concatenate([boxes.numpy().reshape(-1, 4) for boxes in task.parser.anchors.values()])

    def __call__(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """float32 [n, size, size, 3] -> boxes [n, A, 4] (ymin, xmin, ymax, xmax, fractions, clipped to 0…1), scores
        [n, A, C] without the background's column, which comes first in the Model Garden."""
        # Not model(images): without `training` the Model Garden's goes on to NMS.
        maps = self.model.decoder(self.model.backbone(images, training=False), training=False)
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


def _config(size: int, classes: int, numbers: recipe.Recipe) -> retinanet.RetinaNetTask:
    """The Model Garden's configuration; its `num_classes` counts the background."""
    return retinanet.RetinaNetTask(
        model=retinanet.RetinaNet(
            num_classes=classes + 1,
            input_size=[size, size, 3],
            min_level=recipe.MIN_LEVEL,
            max_level=numbers.max_level(size),
            anchor=retinanet.Anchor(
                num_scales=numbers.anchor_scales,
                aspect_ratios=list(numbers.anchor_ratios),
                anchor_size=numbers.anchor_size,
            ),
            backbone=backbones.Backbone(
                type="mobilenet",
                mobilenet=backbones.MobileNet(model_id="MobileNetV2", filter_size_scale=numbers.backbone_width),
            ),
            decoder=retinanet.decoders.Decoder(
                type="fpn", fpn=retinanet.decoders.FPN(num_filters=numbers.filters, use_separable_conv=True)
            ),
            head=retinanet.RetinaNetHead(
                num_convs=numbers.head_convs, num_filters=numbers.filters, use_separable_conv=True
            ),
            norm_activation=common.NormActivation(
                activation="relu6", norm_momentum=numbers.norm_momentum, use_sync_bn=False
            ),
        ),
        losses=retinanet.Losses(
            focal_loss_alpha=numbers.focal_alpha,
            focal_loss_gamma=numbers.focal_gamma,
            box_loss_weight=numbers.box_loss_weight,
        ),
        use_coco_metrics=False,
    )
