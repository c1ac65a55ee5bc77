"""pytorch-ssd's networks: names and shapes of real checkpoints, and anchors and decoding as that code has them."""

from __future__ import annotations

import math

import numpy as np
import onnx
import pytest
import pytorch_ssd_layouts as layouts
import torch
import torchvision
from models import mb1_ssd, mb2_ssd_lite, sq_ssd_lite, ultra_light, vgg16_ssd
from onnx.reference import ReferenceEvaluator

from isomer.errors import UserError
from isomer.graph.versions import to_contract

NETWORKS = {
    "mb1-ssd": mb1_ssd.Model,
    "mb1-ssd-lite": mb1_ssd.Lite,
    "mb2-ssd-lite": mb2_ssd_lite.Model,
    "vgg16-ssd": vgg16_ssd.Model,
    "vgg16-ssd-l2": vgg16_ssd.L2,
    "sq-ssd-lite": sq_ssd_lite.Model,
    "slim": ultra_light.Slim,
    "RFB": ultra_light.Rfb,
}
# feature map, shrinkage, smallest and largest box, aspect ratios: vision/ssd/config of pytorch-ssd
MOBILE_SPECS = (
    *((19, 16, 60, 105, [2, 3]), (10, 32, 105, 150, [2, 3]), (5, 64, 150, 195, [2, 3])),
    *((3, 100, 195, 240, [2, 3]), (2, 150, 240, 285, [2, 3]), (1, 300, 285, 330, [2, 3])),
)
VGG_SPECS = (
    *((38, 8, 30, 60, [2]), (19, 16, 60, 111, [2, 3]), (10, 32, 111, 162, [2, 3])),
    *((5, 64, 162, 213, [2, 3]), (3, 100, 213, 264, [2]), (1, 300, 264, 315, [2])),
)
# what its forks' set_image_size(512) makes of 512 pixels
SPECS_512 = (
    *((32, 16, 51.2, 102.4, [2, 3]), (16, 32, 102.4, 189.44, [2, 3]), (8, 64, 189.44, 276.48, [2, 3])),
    *((4, 128, 276.48, 363.52, [2, 3]), (2, 256, 363.52, 450.56, [2, 3]), (1, 512, 450.56, 537.6, [2, 3])),
)
FACE_MAPS = {
    (240, 320): ((40, 20, 10, 5), (30, 15, 8, 4)),
    (480, 640): ((80, 40, 20, 10), (60, 30, 15, 8)),
    (360, 480): ((60, 30, 15, 8), (45, 23, 12, 6)),
    (120, 160): ((20, 10, 5, 3), (15, 8, 4, 2)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_checkpoint_with_the_real_layout_loads_by_name(name):
    size = (240, 320) if name in ("slim", "RFB") else 300
    network = NETWORKS[name](size, 3)
    network.load_state_dict(layouts.checkpoint(name, 3), strict=True)


@pytest.mark.parametrize("name", ("RFB", "slim"))
def test_the_table_is_what_published_files_hold(cases, name):
    folder = cases / "models" / "pytorch-ssd-ultralight-face"
    state = torch.load(folder / f"version-{name}-320.pth", map_location="cpu", weights_only=True)
    assert {key: tuple(tensor.shape) for key, tensor in state.items()} == layouts.shapes(name, 1)


@pytest.mark.parametrize(
    ("network", "size", "specs"),
    [
        (mb1_ssd.Model, 300, MOBILE_SPECS),
        (mb2_ssd_lite.Model, 300, MOBILE_SPECS),
        (sq_ssd_lite.Model, 300, ((17, *MOBILE_SPECS[0][1:]), *MOBILE_SPECS[1:])),
        (vgg16_ssd.Model, 300, VGG_SPECS),
        (mb1_ssd.Model, 512, SPECS_512),
    ],
)
def test_anchors_are_pytorch_ssds(network, size, specs):
    np.testing.assert_allclose(network(size, 1).anchors.numpy(), _priors(specs, size), atol=1e-7)


@pytest.mark.parametrize("size", FACE_MAPS)
def test_ultra_light_anchors(size):
    height, width = size
    expected = []
    for columns, rows, boxes in zip(*FACE_MAPS[size], ([10, 16, 24], [32, 48], [64, 96], [128, 192, 256]), strict=True):
        for row in range(rows):
            for column in range(columns):
                for box in boxes:
                    expected.append([(column + 0.5) / columns, (row + 0.5) / rows, box / width, box / height])
    found = ultra_light.Slim(size, 1).anchors.numpy()
    np.testing.assert_allclose(found, np.clip(expected, 0, 1), atol=1e-7)


def test_boxes_and_scores_are_pytorch_ssds():
    network = mb1_ssd.Model(300, 2).eval()
    generator = torch.Generator().manual_seed(0)
    logits, deltas = (torch.randn(2, 3000, width, generator=generator) for width in (3, 4))
    boxes, scores = (part.numpy() for part in network.decode((logits, deltas)))
    priors, locations = _priors(MOBILE_SPECS, 300), deltas.numpy().astype(np.float64)
    centres = locations[..., :2] * 0.1 * priors[:, 2:] + priors[:, :2]
    sizes = np.exp(locations[..., 2:] * 0.2) * priors[:, 2:]
    np.testing.assert_allclose(boxes, np.concatenate([centres - sizes / 2, centres + sizes / 2], -1), atol=1e-5)
    powers = np.exp(logits.numpy())
    np.testing.assert_allclose(scores, (powers / powers.sum(-1, keepdims=True))[..., 1:], atol=1e-6)


def test_the_first_map_of_mobilenet_v2_is_the_expansion_inside_block_14():
    network = mb2_ssd_lite.Model(300, 1).eval()
    images = torch.randn(1, 3, 300, 300, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = network.base_net(images)
        inside = network.base_net[14].conv[:3](network.base_net[:14](images))
        maps = network.feature_maps(images)
    torch.testing.assert_close(maps[0], inside)
    torch.testing.assert_close(maps[1], whole)


@pytest.mark.parametrize(
    ("network", "classifier"), [(mb2_ssd_lite.Model, "mobilenet_v2"), (vgg16_ssd.Model, "vgg16_features")]
)
def test_torchvisions_classifiers_are_the_same_backbones(network, classifier):
    theirs = getattr(torchvision.models, classifier.partition("_features")[0])(weights=None).eval()
    ours = network(300, 1).eval()
    missing = ours.load_state_dict(ours.from_backbone(theirs.state_dict()), strict=False)
    assert not missing.unexpected_keys
    images = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    layers = slice(0, 19 if classifier == "mobilenet_v2" else 16)
    with torch.no_grad():
        torch.testing.assert_close(ours.base_net[layers](images), theirs.features[layers](images))


@pytest.mark.parametrize("network", (mb1_ssd.Model, mb2_ssd_lite.Model))
def test_trains_on_a_batch_of_two_at_the_smallest_size(network):
    detector = network(96, 2).train()
    logits, deltas = detector(torch.randn(2, 3, 96, 96))
    (logits.sum() + deltas.sum()).backward()
    assert all(weight.grad is not None for weight in detector.parameters())


def test_the_backbone_is_all_stages_and_freezes():
    for network in (mb1_ssd.Model, mb2_ssd_lite.Model, vgg16_ssd.Model):
        detector = network(300, 1)
        assert [layer for stage in detector.stages() for layer in stage] == list(detector.base_net)
        detector.freeze("2")
        still = {name for name, weight in detector.named_parameters() if not weight.requires_grad}
        assert still
        assert all(int(name.split(".")[1]) < network.starts[2] for name in still)


def test_class_layers_grow_with_the_classes():
    for network in (mb1_ssd.Model, mb1_ssd.Lite, mb2_ssd_lite.Model, vgg16_ssd.Model):
        one, two = (network(300, count).state_dict() for count in (1, 2))
        different = {key.rpartition(".")[0] for key in one if one[key].shape != two[key].shape}
        assert different == set(network(300, 1).class_layers())


def test_vgg_refuses_an_input_that_is_too_small():
    with pytest.raises(UserError, match="--size 160: too small for vgg16_ssd"):
        vgg16_ssd.Model(160, 1)


def _priors(specs, size: int) -> np.ndarray:
    """One anchor after another, as pytorch-ssd makes them."""
    priors = []
    for count, shrinkage, least, most, ratios in specs:
        scale = size / shrinkage
        for row in range(count):
            for column in range(count):
                x, y = (column + 0.5) / scale, (row + 0.5) / scale
                priors.append([x, y, least / size, least / size])
                priors.append([x, y, *[math.sqrt(least * most) / size] * 2])
                for ratio in ratios:
                    root = math.sqrt(ratio)
                    priors.append([x, y, least / size * root, least / size / root])
                    priors.append([x, y, least / size / root, least / size * root])
    return np.clip(priors, 0, 1)


def test_what_its_makers_exported_computes_the_same(cases):
    """The Ultra-Light detector's published weights and its published ONNX file: scores and corners of every anchor."""
    folder = cases / "models" / "pytorch-ssd-ultralight-face"
    network = ultra_light.Rfb((240, 320), 1)
    network.load_state_dict(torch.load(folder / "version-RFB-320.pth", map_location="cpu", weights_only=True))
    images = torch.randn(1, 3, 240, 320, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        boxes, scores = network.eval().decode(network(images))
    theirs = ReferenceEvaluator(to_contract(onnx.load(folder / "version-RFB-320.onnx")))
    expected = theirs.run(["scores", "boxes"], {theirs.input_names[0]: images.numpy()})
    np.testing.assert_allclose(scores.numpy(), expected[0][..., 1:], atol=1e-5)
    np.testing.assert_allclose(boxes.numpy(), expected[1], atol=1e-5)
