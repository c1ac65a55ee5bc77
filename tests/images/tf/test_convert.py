"""A model made elsewhere becomes a core: the original's own raw outputs, from graphs of each kind that people have."""

from __future__ import annotations

from pathlib import Path

import made_elsewhere as made
import numpy as np
import pytest
import tensorflow as tf
from converting import batching, final, frozen, making, normalisation, pixels, raw, settings

from isomer.contract import CORE_INPUT
from isomer.converting import final_outputs
from isomer.converting.resizing import prepare
from isomer.flags import Convert

OPTIONS = Convert(path=Path("model"), name="model")


def opened(definition, tmp_path, options: Convert = OPTIONS):
    return frozen.open_file(made.write(definition, tmp_path / "frozen_inference_graph.pb"), options)


def pictures_of(original) -> list[np.ndarray]:
    sides = (original.height, original.width) if original.height else (64, 96)
    return [pixels.noise(*sides, seed) for seed in range(2)]


def core_of(original):
    """The place where a graph is cut, and the core as a TensorFlow session's function of prepared pictures."""
    original = normalisation.settle(normalisation.sized(original, OPTIONS), OPTIONS)
    pictures = pictures_of(original)
    found = raw.find(original, [one.tensor for one in original.outputs], pictures)
    measured = pixels.measure(original, [found.boxes, found.scores])
    definition = batching.core(original, found, measured)
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(definition, name="")
    session = tf.compat.v1.Session(graph=graph)

    def run(images: np.ndarray) -> list[np.ndarray]:
        return session.run(["boxes:0", "scores:0"], {f"{CORE_INPUT}:0": images})

    return original, making.Place(found, measured), run


@pytest.mark.parametrize("old", [True, False], ids=["loops of 1", "loops of 2"])
@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "any size"])
@pytest.mark.parametrize("batch", [1, None], ids=["one", "any number"])
def test_a_frozen_graph_is_cut_before_its_nms(tmp_path, old, fixed, batch):
    definition = made.ssd((64, 96), fixed=fixed, batch=batch, old=old)
    original, cut, core = core_of(opened(definition, tmp_path))
    assert (cut.raw.anchors, cut.raw.classes, cut.raw.background) == (len(made.anchors(64, 96)), made.CLASSES, False)
    assert cut.measured.size == (64, 96)
    assert cut.measured.mean == cut.measured.std == (127.5, 127.5, 127.5)
    assert cut.measured.resize.coordinates == ("half_pixel" if fixed else "asymmetric")
    pictures = [pixels.noise(50, 70, seed) for seed in range(3)]
    boxes, scores = making.raw_of(original, cut, np.stack(pictures))
    prepared = np.stack([prepare(one, cut.measured.described)[0] for one in pictures])
    for found, wanted in zip(core(prepared), (boxes, scores), strict=True):
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, atol=1e-4)
    own = settings.read(original.graph)
    assert own.iou == pytest.approx(made.IOU)
    some = pictures_of(original)
    detections = final_outputs.recognise(final.look(original, some), "tf2onnx", {}, None)
    assert (detections.first_class, detections.unit, detections.box_order) == (1, "fraction", "yxyx")
    assert making.compare(original, cut, detections, own, some) is None
