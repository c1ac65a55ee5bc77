"""First weights: files with the names and shapes that publishers use give the values that they give there."""

from __future__ import annotations

import dataclasses
import tarfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import stock
import tensorflow as tf
import tensors
import tf_keras
import weights
from architectures import ARCHITECTURES
from freezing import freeze
from inputs import normalise
from model import Core, Task
from official.vision.configs import backbones
from official.vision.configs.image_classification import ImageClassificationModel
from official.vision.modeling.factory import build_classification_model
from recipe import Recipe
from tf_keras.applications import MobileNetV2, ResNet50

from isomer import catalogue, coco
from isomer.errors import UserError
from isomer.pretrained import Weights

MODELS = catalogue.load(Path(weights.__file__).parent)
LIGHT = "retinanet_mobilenet_v2_fpnlite"
MOBILE = "retinanet_mobilenet_v2_fpn128"
SPINE = "retinanet_spinenet49_mobile"
PERSON, DOG = 0, coco.BY_ID.index("dog")


def core(name: str = LIGHT, size: int = stock.SIDE, classes: int = 1) -> Core:
    return Core(Task(ARCHITECTURES[name], size, classes, Recipe()))


def small(name: str) -> catalogue.Model:
    return dataclasses.replace(MODELS[name], size=stock.SIDE)


def values(one: Core) -> dict[str, np.ndarray]:
    return {name: variable.numpy() for name, variable in tensors.variables(one.model).items()}


def same(one: Core, other: Core) -> None:
    """Fails unless all variables of two detectors are equal."""
    theirs = values(other)
    for name, value in values(one).items():
        np.testing.assert_array_equal(value, theirs[name])


def columns(one: Core) -> dict[str, np.ndarray]:
    """What tells classes apart: [..., anchors, classes], without the background."""
    return {
        name: value.reshape(*value.shape[:-1], 9, -1)[..., 1:]
        for name, value in values(one).items()
        if name in ("head/_classifier/bias", "head/_classifier/pointwise_kernel")
    }


@pytest.fixture(scope="module")
def mobile(tmp_path_factory):
    """A checkpoint of the Model Garden's mobile detector, and the model in it."""
    model = stock.detector(MOBILE, 90)
    return stock.save(model, tmp_path_factory.mktemp("mobile") / "ckpt-277200"), model


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory):
    """Keras's MobileNetV2 as its applications publish it, with weights drawn at random."""
    application = MobileNetV2(input_shape=(stock.SIDE, stock.SIDE, 3), include_top=False, weights=None)
    stock.scramble(application.variables)
    path = tmp_path_factory.mktemp("keras") / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
    application.save_weights(path)
    return path, application


@pytest.mark.slow
@pytest.mark.parametrize("name", stock.EXPERIMENTS)
def test_the_model_gardens_checkpoint_gives_its_own_outputs(name, tmp_path):
    model = stock.detector(name, 90)
    prefix = stock.save(model, tmp_path / "ckpt-7")
    names, ours = weights.as_published(Weights("coco", prefix), small(name))
    assert names == coco.BY_ID
    assert ours.size == stock.SIDE
    images = tf.random.stateless_normal([2, stock.SIDE, stock.SIDE, 3], [0, 1])
    for theirs, mine in zip(stock.maps(model, images), stock.maps(ours.model, images), strict=True):
        for level, value in theirs.items():
            assert np.ptp(value[1] - value[0]) > 0, "the outputs do not depend on the pictures"
            np.testing.assert_allclose(mine[level], value, atol=1e-4 * np.abs(value).max())


def test_every_tensor_is_its_namesake(mobile):
    """Which outputs alone might not show: many of a pyramid's layers are of one shape."""
    prefix, model = mobile
    found = tensors.read(prefix).values
    for layer in model.decoder.layers:
        for variable in layer.weights:
            name = f"decoder/{layer.name}/{variable.name.rpartition('/')[2].removesuffix(':0')}"
            np.testing.assert_array_equal(found[name], variable)


def test_a_folder_an_archive_and_a_checkpoint_of_the_model_alone(mobile, tmp_path):
    prefix, model = mobile
    archive = tmp_path / "mobilenetv2_ssd_i256_ckpt.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(prefix.parent, "mobilenetv2_ssd_i256_ckpt")
    alone = Path(tf.train.Checkpoint(model=model).write(str(tmp_path / "alone")))
    expected = tensors.read(prefix).values
    for path in (prefix.parent, archive, prefix.with_name(f"{prefix.name}.index"), alone):
        found = tensors.read(path).values
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_the_newest_checkpoint_of_a_folder(tmp_path):
    for step in (9, 100):
        tf.train.Checkpoint(head=tf.train.Checkpoint(x=tf.Variable(step))).write(str(tmp_path / f"ckpt-{step}"))
    assert tensors.read(tmp_path).values["head/x"] == 100


def test_classes_of_the_same_name_keep_their_columns(mobile, capsys):
    ours = core(MOBILE, classes=3)
    untouched = columns(ours)
    facts = weights.initialise(ours, Weights("coco", mobile[0]), ("Dog", "robot", "person"))
    assert (facts["cut"], facts["new"], facts["classes_kept"]) == (2, 0, ["Dog", "person"])
    said = capsys.readouterr().out
    assert "2 of the class head are cut anew" in said
    assert "the weights know 80 classes, the dataset has 3" in said
    assert "new: robot" in said
    theirs = tensors.read(mobile[0]).values
    for name, mine in columns(ours).items():
        there = theirs[name].reshape(*theirs[name].shape[:-1], 9, -1)[..., 1:]
        np.testing.assert_array_equal(mine[..., 0], there[..., DOG])
        np.testing.assert_array_equal(mine[..., 1], untouched[name][..., 1])
        np.testing.assert_array_equal(mine[..., 2], there[..., PERSON])


def test_keras_mobilenet_gives_the_same_feature_maps(keras_file, tmp_path):
    """From the same pictures, each normalised as its network wants; the kernel's last row and column see the padding,
    which means another grey to each."""
    path, application = keras_file
    first = application.get_layer("Conv1")
    first.kernel.assign(
        first.kernel * np.float32([1, 1, 0])[:, None, None, None] * np.float32([1, 1, 0])[:, None, None]
    )
    application.save_weights(tmp_path / path.name)
    ours = core()
    facts = weights.initialise(ours, Weights("imagenet", tmp_path / path.name), ("one",))
    assert facts["loaded"] == len(ours.model.backbone.variables)
    assert facts["unused"] == 2  # Conv_1 and its batch norm
    pixels = tf.random.stateless_uniform([2, stock.SIDE, stock.SIDE, 3], [0, 1], maxval=256)
    theirs = tf_keras.Model(application.input, application.get_layer("block_16_project_BN").output)
    expected = theirs(pixels / 127.5 - 1, training=False)
    assert np.ptp(expected) > 0.1
    found = ours.model.backbone(normalise(pixels), training=False)["5"]
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.ptp(expected))


def test_keras_first_layer_inside_the_border(keras_file):
    path, application = keras_file
    application.load_weights(path)
    ours = core()
    weights.initialise(ours, Weights("imagenet", path), ("one",))
    pixels = tf.random.stateless_uniform([2, stock.SIDE, stock.SIDE, 3], [0, 1], maxval=256)
    theirs = tf_keras.Model(application.input, application.get_layer("bn_Conv1").output)(pixels / 127.5 - 1)
    block = ours.model.backbone.layers[1]
    mine = block._norm0(block._conv0(normalise(pixels)), training=False)
    np.testing.assert_allclose(mine[:, :-1, :-1], theirs[:, :-1, :-1], atol=1e-4 * np.ptp(theirs))


def test_a_classifier_of_keras_is_left_out(tmp_path):
    application = MobileNetV2(input_shape=(stock.SIDE, stock.SIDE, 3), weights=None)
    application.save_weights(tmp_path / "with_top.h5")
    facts = weights.initialise(core(), Weights("imagenet", tmp_path / "with_top.h5"), ("one",))
    assert facts["unused"] == 3  # Conv_1, its batch norm, and the classifier


@pytest.mark.slow
def test_the_model_gardens_resnet_of_imagenet(tmp_path):
    config = ImageClassificationModel(
        num_classes=1001, backbone=backbones.Backbone(type="resnet", resnet=backbones.ResNet(model_id=50))
    )
    spec = tf_keras.layers.InputSpec(shape=[None, 64, 64, 3])
    classifier = build_classification_model(spec, config)
    stock.scramble(classifier.variables)
    checkpoint = tf.train.Checkpoint(model=classifier, **classifier.checkpoint_items)
    prefix = Path(checkpoint.write(str(tmp_path / "ckpt-62400")))
    ours = core("retinanet_resnet50_fpn")
    facts = weights.initialise(ours, Weights("imagenet", prefix), ("one",))
    assert facts["loaded"] == len(ours.model.backbone.variables)
    for mine, theirs in zip(ours.model.backbone.weights, classifier.backbone.weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_runs_weights_whatever_was_frozen(tmp_path):
    first = core(classes=2)
    freeze(first.model, "3")
    stock.scramble(tensors.variables(first.model).values())
    path = tmp_path / "best.h5"
    tensors.save(first.model, path, model=LIGHT, size=stock.SIDE, classes=("cat", "dog"))
    second = core(classes=2)
    tensors.restore(second.model, path)
    same(first, second)
    names, whole = weights.as_published(Weights(str(path), path), MODELS[LIGHT])
    assert names == ("cat", "dog")
    assert whole.size == stock.SIDE


def test_a_pyramid_of_more_levels_takes_those_that_there_are(tmp_path):
    few, many = core(size=96), core(size=224)
    stock.scramble(tensors.variables(few.model).values())
    path = tmp_path / "best.h5"
    tensors.save(few.model, path, model=LIGHT, size=96, classes=("one",))
    weights.initialise(many, Weights("few", path), ("one",))
    before, after = values(few), values(many)
    assert after.keys() > before.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value)


def test_classes_that_nothing_names_are_numbered(tmp_path):
    tensors.save(core(classes=2).model, tmp_path / "two.h5")
    assert weights.as_published(Weights("", tmp_path / "two.h5"), small(LIGHT))[0] == ("class 1", "class 2")


def test_another_architecture_is_refused_with_the_first_tensors(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.attrs[tensors.ABOUT] = "{}"
        file["backbone/layer_with_weights-0/kernel"] = np.zeros((7, 7, 3, 64), np.float32)
    ours = core()
    before = values(ours)
    with pytest.raises(UserError, match=r"layer_with_weights-0/_conv0/kernel is not there and 3×3×3×32 here") as error:
        weights.initialise(ours, Weights("file", tmp_path / "other.h5"), ("one",))
    assert f"does not fit {LIGHT}: 255 tensors of the backbone differ" in str(error.value)
    after = values(ours)
    assert all((after[name] == value).all() for name, value in before.items())


def test_a_backbone_fits_where_the_pyramid_does_not(mobile, capsys):
    ours = core(LIGHT)
    facts = weights.initialise(ours, Weights("file", mobile[0]), ("one",))
    assert facts["loaded"] > len(ours.model.backbone.variables)
    assert facts["new"] > 0
    assert "have another shape and are new (decoder/" in capsys.readouterr().out


def test_a_backbone_alone_is_no_detector(keras_file):
    with pytest.raises(UserError, match="holds no detector's head"):
        weights.as_published(Weights("imagenet", keras_file[0]), MODELS[LIGHT])


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("weights.pth", b"PK\x03\x04 no weights of TensorFlow", "holds no weights"),
        ("truncated.h5", b"\x89HDF\r\n\x1a\n" + bytes(40), "cannot be read"),
        ("empty.tar.gz", None, "holds no TensorFlow checkpoint"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, name, content, reason):
    path = tmp_path / name
    if content is None:
        tarfile.open(path, "w:gz").close()
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match=reason) as error:
        tensors.read(path)
    assert name in str(error.value)


def test_another_application_of_keras_is_refused(tmp_path):
    path = tmp_path / "resnet50.h5"
    ResNet50(input_shape=(64, 64, 3), include_top=False, weights=None).save_weights(path)
    with pytest.raises(UserError, match="another network than MobileNetV2"):
        tensors.read(path)


def test_a_damaged_checkpoint_is_named(mobile, tmp_path):
    for part in mobile[0].parent.iterdir():
        (tmp_path / part.name).write_bytes(part.read_bytes()[: part.stat().st_size // 2])
    with pytest.raises(UserError, match="cannot be read as weights"):
        tensors.read(tmp_path / mobile[0].name)
