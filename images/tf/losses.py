"""RetinaNet's loss of a whole batch: the focal loss of all anchors, the Huber loss of those that have a box."""

from __future__ import annotations

import tensorflow as tf
import tf_keras
from official.vision.configs.retinanet import RetinaNetTask
from official.vision.losses import loss_utils
from official.vision.losses.focal_loss import FocalLoss
from targets import NOTHING

PARTS = ("class", "box")


def count_positives(classes: tf.Tensor) -> tf.Tensor:
    """The anchors that have a box, in targets [b, A]."""
    return tf.reduce_sum(tf.cast(classes != NOTHING, tf.float32))


def parts(
    config: RetinaNetTask, outputs: dict[str, dict[str, tf.Tensor]], targets: tuple[tf.Tensor, tf.Tensor]
) -> tf.Tensor:
    """The two PARTS of the loss, [2], summed over all anchors: what they are divided by is the step's to say.

    It is RetinaNetTask.build_losses, without its division by the positive anchors of the batch at hand, which would
    make it matter how a step is divided into batches.

    Args:
        outputs: `cls_outputs` and `box_outputs` by level. targets: classes [b, A] and deltas [b, A, 4].
    """
    classes, deltas = targets
    wanted, columns = config.losses, config.model.num_classes
    positive = tf.cast(classes != NOTHING, tf.float32)
    logits = loss_utils.multi_level_flatten(outputs["cls_outputs"], last_dim=columns)
    found = loss_utils.multi_level_flatten(outputs["box_outputs"], last_dim=4)
    summed = tf_keras.losses.Reduction.SUM
    focal = FocalLoss(alpha=wanted.focal_loss_alpha, gamma=wanted.focal_loss_gamma, reduction=summed)
    huber = tf_keras.losses.Huber(wanted.huber_loss_delta, reduction=summed)
    return tf.stack(
        [
            focal(tf.one_hot(classes, columns), tf.cast(logits, tf.float32)),
            wanted.box_loss_weight * huber(deltas, tf.cast(found, tf.float32), sample_weight=positive),
        ]
    )
