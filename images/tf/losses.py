"""RetinaNet's loss of a whole batch: the focal loss of all anchors, the Huber loss of those that have a box."""

from __future__ import annotations

import tensorflow as tf
from official.vision.configs.retinanet import Losses, RetinaNetTask
from official.vision.losses import loss_utils
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
    make it matter how a step is divided into batches. Gradients are written out, from what the loss has computed
    anyway: derived operation by operation they take two to three times as long, with 80 classes a third of a step.

    Args:
        outputs: `cls_outputs` and `box_outputs` by level. targets: classes [b, A] and deltas [b, A, 4].
    """
    classes, deltas = targets
    wanted = config.losses
    logits = loss_utils.multi_level_flatten(outputs["cls_outputs"], last_dim=config.model.num_classes)
    found = loss_utils.multi_level_flatten(outputs["box_outputs"], last_dim=4)
    focal = _focal(tf.cast(logits, tf.float32), classes, wanted)
    return tf.stack([focal, wanted.box_loss_weight * _huber(tf.cast(found, tf.float32), classes, deltas, wanted)])


def _focal(logits: tf.Tensor, classes: tf.Tensor, wanted: Losses) -> tf.Tensor:
    """The focal loss (https://arxiv.org/abs/1708.02002) of logits [b, A, C], summed."""
    alpha, gamma = wanted.focal_loss_alpha, wanted.focal_loss_gamma
    hot = tf.one_hot(classes, logits.shape[-1])
    sign, weight = 1 - 2 * hot, (1 - alpha) + (2 * alpha - 1) * hot

    @tf.custom_gradient
    def summed(logits: tf.Tensor):
        wrong = logits * sign
        entropy = tf.math.softplus(wrong)
        logarithm = wrong - entropy  # of the share that is wrong
        scale = weight * tf.exp(gamma * logarithm)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            share = tf.exp(logarithm)
            return upstream * sign * scale * (gamma * entropy * (1 - share) + share)

        return tf.reduce_sum(scale * entropy), gradient

    return summed(logits)


def _huber(found: tf.Tensor, classes: tf.Tensor, deltas: tf.Tensor, wanted: Losses) -> tf.Tensor:
    """The Huber loss of deltas [b, A, 4], a mean over each box's four, summed over those anchors that have a box."""
    where = tf.where(classes != NOTHING)
    limit, expected = wanted.huber_loss_delta, tf.gather_nd(deltas, where)

    @tf.custom_gradient
    def summed(found: tf.Tensor):
        error = tf.gather_nd(found, where) - expected
        inside = tf.clip_by_value(error, -limit, limit)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return tf.scatter_nd(where, upstream * inside / 4, tf.shape(found, tf.int64))

        return tf.reduce_sum(inside * (error - inside / 2)) / 4, gradient

    return summed(found)
