"""The detectors of this image, one module each, named as in models.toml: `models.NAME.Model(size, classes)`.

The small interface that all have (base.Detector); training, prediction and export know nothing else of a model:

    size, classes       its input's height and width in pixels, and how many classes it tells apart (no background)
    mean, std           in grey levels, RGB: normalise(pixels) makes of pixels what it takes
    anchors             [A, 4] cx, cy, w, h as fractions of the input, one a row of the outputs
    forward(images)     normalised [N, 3, size, size] to a tuple of tensors [N, A, …]: the outputs, before any sigmoid
    assigner()          what goes into the loader's processes, on the CPU, picklable: boxes [M, 4] (cx, cy, w, h,
                        fractions) and classes int64 [M] (from 1) of one picture to its targets, a tuple of tensors
                        [A, …] that stack into a batch; their meaning is the model's own affair
    loss(outputs, targets)
                        float32 outputs and stacked targets to Loss: the loss's parts, summed over the batch, and the
                        number of positive anchors that divides them. Apart, because several processes (and several
                        accumulated batches) must add up both before they divide
    decode(outputs)     boxes [N, A, 4] (xmin, ymin, xmax, ymax, fractions, not clipped) and scores [N, A, classes]
    stages()            the backbone from the picture on, in the parts that `--freeze N` counts (models.toml says how
                        many); `freeze("backbone" | "N")` holds them still, their batch norms too
    hold_norms()        called where a run's weights are pretrained, on every start of it
    class_layers(), background, renamed(state), as_published(state), from_backbone(state)
                        which layers grow with the classes, whether their first column is "nothing here", how the
                        tensors of older files and of a classifier are named here: for weights.py, which loads what
                        --weights names

Weights are loaded into a model after it is made (weights.load); the recipe's defaults for each are in recipe.py, which
needs no torch. A new model is a new file here, an entry of models.toml and a line in recipe.py.
"""

from __future__ import annotations

import importlib

from models.base import Detector


def build(name: str, size: int, classes: int) -> Detector:
    """The model of that name (settled by isomer.catalogue) with weights drawn at random."""
    return importlib.import_module(f"models.{name}").Model(size, classes)
