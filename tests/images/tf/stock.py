"""Files of weights as their publishers make them: the Model Garden's own models, saved as its trainer does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras
from official.core import exp_factory
from official.vision.configs import backbones, common, decoders, retinanet
from official.vision.modeling import factory

EXPERIMENTS = {
    "retinanet_mobilenet_v2_fpn128": "retinanet_mobile_coco",
    "retinanet_resnet50_fpn": "retinanet_resnetfpn_coco",
    "retinanet_spinenet49_mobile": "retinanet_mobile_coco",
}
SIDE = 128  # the Model Garden's pyramids take multiples of it only


def detector(name: str, classes: int) -> tf_keras.Model:
    """The Model Garden's detector by its published configuration, for a small input, with weights drawn at random."""
    config = exp_factory.get_exp_config(EXPERIMENTS[name]).task.model
    if name == "retinanet_mobilenet_v2_fpn128":  # configs/experiments/retinanet/coco_mobilenetv2_tpu.yaml
        config.backbone = backbones.Backbone(type="mobilenet", mobilenet=backbones.MobileNet(model_id="MobileNetV2"))
        fpn = decoders.FPN(num_filters=128, use_separable_conv=True)
        config.decoder = decoders.Decoder(type="fpn", fpn=fpn)
        config.head = retinanet.RetinaNetHead(num_convs=4, num_filters=128, use_separable_conv=True)
        config.norm_activation = common.NormActivation(activation="relu6")
    config.num_classes = classes + 1
    config.input_size = [SIDE, SIDE, 3]
    model = factory.build_retinanet(tf_keras.layers.InputSpec(shape=[None, SIDE, SIDE, 3]), config)
    images = tf.random.stateless_normal([4, SIDE, SIDE, 3], [0, 0])
    model(images, training=True)  # as its trainer's first step, which makes what variables are still lacking
    scramble(variable for part in model.checkpoint_items.values() for variable in part.variables)
    norms = [layer for layer in model.submodules if isinstance(layer, tf_keras.layers.BatchNormalization)]
    for norm in norms:
        norm.momentum = 0.0  # what they gather is then the last batch's, so that no layer's outputs die away
    model(images, training=True)
    return model


def scramble(variables) -> None:
    """Other values for every variable, such that activations neither die nor explode and every one of them counts."""
    random = np.random.default_rng(0)
    for variable in variables:
        noise = random.standard_normal(variable.shape)
        positive = "variance" in variable.name or "gamma" in variable.name
        variable.assign(0.5 + 0.5 * abs(noise) if positive else variable + 0.05 * noise)


def save(model: tf_keras.Model, prefix: Path) -> Path:
    """A checkpoint as the Model Garden's trainer writes it, an optimizer's state included."""
    optimizer = tf_keras.optimizers.legacy.SGD(momentum=0.9)
    some = model.head.trainable_variables[0]
    optimizer.apply_gradients([(tf.zeros_like(some), some)])
    step = tf.Variable(7, dtype=tf.int64)
    checkpoint = tf.train.Checkpoint(global_step=step, model=model, optimizer=optimizer, **model.checkpoint_items)
    return Path(checkpoint.write(str(prefix)))


def maps(model: tf_keras.Model, images: tf.Tensor) -> tuple[dict, dict]:
    """Logits and box deltas by level."""
    features = model.backbone(images, training=False)
    if model.decoder is not None:
        features = model.decoder(features, training=False)
    return model.head(features)[:2]
