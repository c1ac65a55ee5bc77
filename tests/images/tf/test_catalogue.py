"""models.toml against the models themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf
from architectures import ARCHITECTURES
from freezing import stages
from model import Core, Task
from official.core import exp_factory
from recipe import Recipe
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2_as_graph
from tensors import variables

from isomer import catalogue
from isomer.errors import UserError

COCO_COLUMNS = 90
EXPERIMENTS = {
    "retinanet_resnet50_fpn": "retinanet_resnetfpn_coco",
    "retinanet_spinenet49_mobile": "retinanet_mobile_coco",
}


@pytest.fixture
def known(scripts: Path) -> dict[str, catalogue.Model]:
    return catalogue.load(scripts)


def test_every_architecture_has_an_entry(known):
    assert list(known) == list(ARCHITECTURES)


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_parameters_operations_and_stages_are_the_models_own(known, name):
    model = known[name]
    core = Core(Task(ARCHITECTURES[name], model.size, COCO_COLUMNS, Recipe()))
    assert sum(weight.shape.num_elements() for weight in variables(core.model).values()) == model.parameters
    assert len(stages(core.model.backbone)) == model.stages
    assert gflops(core) == pytest.approx(model.gflops, abs=1e-3)


def gflops(core: Core) -> float:
    """Billions of multiply-adds, by TensorFlow's profiler."""
    function = tf.function(core).get_concrete_function(tf.TensorSpec([1, core.size, core.size, 3]))
    _, definition = convert_variables_to_constants_v2_as_graph(function)
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(definition, name="")
        options = tf.compat.v1.profiler.ProfileOptionBuilder(
            tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
        )
        counted = tf.compat.v1.profiler.profile(graph, cmd="op", options=options.with_empty_output().build())
    return counted.total_float_ops / 2e9


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_numbers_are_those_of_the_published_experiments(known, name):
    published = exp_factory.get_exp_config(EXPERIMENTS[name]).task.model
    size = known[name].size
    ours = Task(ARCHITECTURES[name], size, COCO_COLUMNS, Recipe()).task_config.model
    assert ours.input_size == published.input_size
    assert ours.num_classes == published.num_classes
    assert (ours.min_level, ours.max_level) == (published.min_level, published.max_level)
    assert ours.anchor.as_dict() == published.anchor.as_dict()
    assert ours.head.as_dict() == published.head.as_dict()
    assert ours.backbone.type == published.backbone.type
    assert ours.decoder.type == published.decoder.type
    assert ours.decoder.get().as_dict() == published.decoder.get().as_dict()
    assert ours.norm_activation.activation == published.norm_activation.activation
    assert ours.norm_activation.norm_epsilon == published.norm_activation.norm_epsilon


def test_sizes_that_spinenet_does_not_take(known):
    spine = known["retinanet_spinenet49_mobile"]
    for size in (128, 384, 640):
        spine.check_size(size)
    with pytest.raises(UserError, match=r"--size 160: .* multiples of 128 only, such as 128 or 256"):
        spine.check_size(160)
    with pytest.raises(UserError, match=r"such as 128$"):
        spine.check_size(96)
    assert spine.fitting(160) == 256
    for name in set(known) - {spine.name}:
        known[name].check_size(101)
