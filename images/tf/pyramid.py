"""A feature pyramid for any image size.

The Model Garden's FPN doubles a level to add it to the one below, so every size must be a multiple of 2**max_level and
its parser pads pictures until it is. Here a level of odd size is doubled and cut to fit: nothing is padded. Layers have
the same names, so that the Model Garden's checkpoints fit.
"""

from __future__ import annotations

import tensorflow as tf
import tf_keras
from architectures import MIN_LEVEL
from official.modeling import tf_utils
from official.vision.configs.retinanet import RetinaNet
from official.vision.modeling.decoders.fpn import FPN
from official.vision.ops.spatial_transform_ops import nearest_upsampling


def feature_pyramid(specs: dict[str, tf.TensorShape], config: RetinaNet) -> tf_keras.Model:
    """The pyramid (https://arxiv.org/abs/1612.03144) of a configuration whose decoder is an FPN.

    Args:
        specs: shapes [None, height, width, channels] of the backbone's feature maps, by level.

    Returns:
        A model from a dictionary of feature maps to one of maps of equal channels, by level up to `max_level`; levels
        above the backbone's last are made by strides of 2.
    """
    fpn, norm = config.decoder.fpn, config.norm_activation
    kind = tf_keras.layers.SeparableConv2D if fpn.use_separable_conv else tf_keras.layers.Conv2D

    def convolution(name: str, kernel_size: int, strides: int = 1) -> tf_keras.layers.Layer:
        # the separable ones' initializers are Keras's own, as in the Model Garden, where this one does not reach them
        initializer = {} if fpn.use_separable_conv else {"kernel_initializer": "VarianceScaling"}
        return kind(fpn.num_filters, kernel_size, strides=strides, padding="same", name=name, **initializer)

    activation = tf_utils.get_activation(norm.activation, use_keras_layer=True)
    inputs = {level: tf_keras.Input(shape=shape[1:]) for level, shape in specs.items()}
    levels = sorted(int(level) for level in specs)
    maps = {level: convolution(f"lateral_{level}", 1)(inputs[str(level)]) for level in levels}
    for level in reversed(levels[:-1]):
        _, height, width, _ = maps[level].shape
        maps[level] += nearest_upsampling(maps[level + 1], 2)[:, :height, :width]
    for level in levels:
        maps[level] = convolution(f"post_hoc_{level}", 3)(maps[level])
    for level in range(levels[-1] + 1, config.max_level + 1):
        above = maps[level - 1] if level == levels[-1] + 1 else activation(maps[level - 1])
        maps[level] = convolution(f"coarser_{level}", 3, strides=2)(above)
    outputs = {
        str(level): tf_keras.layers.BatchNormalization(
            momentum=norm.norm_momentum, epsilon=norm.norm_epsilon, name=f"norm_{level}"
        )(features)
        for level, features in maps.items()
    }
    return tf_keras.Model(inputs, outputs, name="feature_pyramid")


def layer_names(levels: int) -> list[str]:
    """The names of a pyramid's layers with weights, for so many levels above MIN_LEVEL and with it, in the order that
    the Model Garden's checkpoints number them."""
    specs = {str(level): tf.TensorShape([None, size, size, 1]) for level, size in ((3, 16), (4, 8), (5, 4))}
    stock = FPN(specs, min_level=MIN_LEVEL, max_level=MIN_LEVEL + levels - 1, num_filters=1)
    return [layer.name for layer in stock.layers if layer.weights]
