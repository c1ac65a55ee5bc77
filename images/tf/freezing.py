"""--freeze: stages of the backbone, or batch norms, that stay as they were loaded."""

from __future__ import annotations

import math

import tf_keras
from tf_keras.layers import Layer

BLOCK = "scale_permuted_block_"  # how SpineNet's blocks end


def freeze(model: tf_keras.Model, what: str | None) -> None:
    """Keep what `--freeze` names, the backbone, its first stages, or all batch norms: no gradients, batch norms in
    inference mode."""
    if what == "norms":
        for layer in model.submodules:
            if isinstance(layer, tf_keras.layers.BatchNormalization):
                layer.trainable = False
        return
    frozen = [] if what is None else stages(model.backbone)
    for stage in frozen if what == "backbone" else frozen[: int(what or 0)]:
        for layer in stage:
            # Keras's batch norms that are not trainable use what they have gathered, in training too
            layer.trainable = False


def stages(backbone: tf_keras.Model) -> list[list[Layer]]:
    """The layers of a backbone that have weights, stage by stage.

    A stage ends where the feature maps become smaller; SpineNet's, whose maps become larger again, with its blocks: the
    first is the stem, and the last takes along the convolutions that follow it.
    """
    blocks = [layer for layer in backbone.layers if layer.name.startswith(BLOCK)]
    number = _by_block(backbone, blocks) if blocks else {layer: _octave(backbone, layer) for layer in backbone.layers}
    return [
        [layer for layer in backbone.layers if layer.weights and number[layer] == stage]
        for stage in range(1, max(number.values()) + 1)
    ]


def _octave(backbone: tf_keras.Model, layer: Layer) -> int:
    """How often the image has been halved where the layer's output is, at least once."""
    return max(round(math.log2(backbone.input_shape[1] / layer.output.shape[1])), 1)


def _by_block(backbone: tf_keras.Model, blocks: list[Layer]) -> dict[Layer, int]:
    number = dict.fromkeys(backbone.layers, len(blocks) + 1)
    for stage, end in sorted(enumerate(sorted(blocks, key=_block_number), start=2), reverse=True):
        number.update(dict.fromkeys(_until(end), stage))
    stem = next(layer for layer in backbone.layers if layer.name == "stem_block_2")
    return number | dict.fromkeys(_until(stem), 1)


def _block_number(layer: Layer) -> int:
    return int(layer.name.removeprefix(BLOCK))


def _until(end: Layer) -> set[Layer]:
    """A layer and all whose outputs go into it."""
    found, waiting = set(), [end]
    while waiting:
        layer = waiting.pop()
        if layer not in found:
            found.add(layer)
            waiting += [parent.layer for node in layer.inbound_nodes for parent in node.parent_nodes]
    return found
