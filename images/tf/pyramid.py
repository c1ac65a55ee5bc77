"""A feature pyramid for any image size.

The Model Garden's FPN doubles a level to add it to the one below, so every size must be a multiple of 2**max_level and
its parser pads pictures until it is. Here a level of odd size is doubled and cut to fit: nothing is padded.
"""

from __future__ import annotations

import tensorflow as tf
import tf_keras
from official.vision.ops.spatial_transform_ops import nearest_upsampling


def feature_pyramid(
    specs: dict[str, tf.TensorShape], max_level: int, filters: int, norm_momentum: float
) -> tf_keras.Model:
    """A pyramid with separable convolutions (https://arxiv.org/abs/1612.03144; "FPNLite").

    Args:
        specs: shapes [None, height, width, channels] of the backbone's feature maps, by level.
        max_level: levels above the backbone's last are made by strides of 2.

    Returns:
        A model from a dictionary of feature maps to one of maps with `filters` channels, by level up to `max_level`.
    """

    def convolution(name: str, kernel_size: int, strides: int = 1) -> tf_keras.layers.Layer:
        return tf_keras.layers.SeparableConv2D(filters, kernel_size, strides=strides, padding="same", name=name)

    inputs = {level: tf_keras.Input(shape=shape[1:]) for level, shape in specs.items()}
    levels = sorted(int(level) for level in specs)
    maps = {level: convolution(f"lateral_{level}", 1)(inputs[str(level)]) for level in levels}
    for level in reversed(levels[:-1]):
        _, height, width, _ = maps[level].shape
        maps[level] += nearest_upsampling(maps[level + 1], 2)[:, :height, :width]
    for level in levels:
        maps[level] = convolution(f"smooth_{level}", 3)(maps[level])
    for level in range(levels[-1] + 1, max_level + 1):
        above = maps[level - 1] if level == levels[-1] + 1 else tf.nn.relu(maps[level - 1])
        maps[level] = convolution(f"coarser_{level}", 3, strides=2)(above)
    outputs = {
        str(level): tf_keras.layers.BatchNormalization(momentum=norm_momentum, name=f"norm_{level}")(features)
        for level, features in maps.items()
    }
    return tf_keras.Model(inputs, outputs, name="feature_pyramid")
