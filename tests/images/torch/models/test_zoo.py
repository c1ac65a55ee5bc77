"""Every model against torchvision's own code: the same anchors, losses and detections from the same tensors."""

from __future__ import annotations

from pathlib import Path

import models
import pytest
import torch
from models.base import Core
from torch import Tensor, nn
from torchvision.models import detection
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import box_convert

SSDS = ("ssdlite320_mobilenet_v3_large", "ssd300_vgg16")
FPNS = ("retinanet_resnet50_fpn", "retinanet_resnet50_fpn_v2", "fcos_resnet50_fpn")
SIZES = {"ssdlite320_mobilenet_v3_large": 320, "ssd300_vgg16": 300} | dict.fromkeys(FPNS, 128)
CLASSES = 3


@pytest.fixture(scope="module", params=[*SSDS, *FPNS])
def pair(request) -> tuple[models.Detector, nn.Module]:
    """A model and torchvision's of the same weights, which do something: batch norms that are not the identity."""
    name = request.param
    torch.manual_seed(0)
    ours = models.build(name, SIZES[name], CLASSES)
    _shake(ours)
    columns = CLASSES + 1 if name in SSDS else CLASSES
    theirs = getattr(detection, name)(weights=None, weights_backbone=None, num_classes=columns)
    theirs.load_state_dict(ours.state_dict())
    return ours.eval(), theirs.eval()


def test_detections_are_torchvisions(pair):
    ours, theirs = pair
    images = torch.rand(2, 3, ours.size, ours.size) * 255
    theirs.score_thresh, theirs.topk_candidates, theirs.detections_per_img, theirs.nms_thresh = -1, 10**6, 10**6, 2
    # its transform shall leave the pixels where they are
    theirs.transform.min_size, theirs.transform.max_size = (ours.size,), ours.size
    with torch.no_grad():
        expected = theirs(list(images / 255))
        boxes, scores = Core(ours)(ours.normalise(images))
    for index, found in enumerate(expected):
        for column in range(CLASSES):
            mine = found["labels"] == (column + 1 if ours.background else column)
            order = scores[index, :, column].sort(descending=True, stable=True)
            torch.testing.assert_close(order.values, found["scores"][mine], atol=1e-5, rtol=1e-4)
        # as sets: equal scores have no order
        ymin_first = found["boxes"][mine][:, [1, 0, 3, 2]] / ours.size
        torch.testing.assert_close(_sorted(boxes[index]), _sorted(ymin_first), atol=1e-4, rtol=1e-4)


def test_loss_is_torchvisions(pair):
    ours, theirs = pair
    boxes = torch.tensor([[0.3, 0.4, 0.3, 0.24], [0.7, 0.6, 0.5, 0.6], [0.32, 0.4, 0.16, 0.2], [0.9, 0.1, 0.07, 0.11]])
    classes = torch.tensor([1, 3, 2, 2])
    images = torch.randn(1, 3, ours.size, ours.size)
    with torch.no_grad():
        outputs = ours(images)
        assigner = ours.assigner()
        if ours.background:
            object.__setattr__(assigner, "positive_iou", 0.5)  # torchvision's
        targets = tuple(part[None] for part in assigner(boxes, classes))
        loss = ours.loss(outputs, targets)
        labels = classes if ours.background else classes - 1
        truth = [{"boxes": box_convert(boxes, "cxcywh", "xyxy") * ours.size, "labels": labels}]
        expected = _their_losses(theirs, images, truth)
    assert loss.positives > 5
    assert sum(expected.values()).item() == pytest.approx(loss.value().item(), rel=1e-4)


def test_a_batch_is_the_sum_of_its_pictures(pair):
    ours, _ = pair
    assign = ours.assigner()
    some = assign(torch.tensor([[0.5, 0.5, 0.4, 0.6]]), torch.tensor([2]))
    none = assign(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    with torch.no_grad():
        outputs = ours(torch.randn(2, 3, ours.size, ours.size))
        both = ours.loss(outputs, tuple(torch.stack(parts) for parts in zip(some, none, strict=True)))
        apart = [
            ours.loss(tuple(one[index : index + 1] for one in outputs), tuple(part[None] for part in targets))
            for index, targets in enumerate((some, none))
        ]
    assert apart[1].positives == 0
    assert both.positives == apart[0].positives
    for name, value in both.parts.items():
        torch.testing.assert_close(value, sum(one.parts[name] for one in apart), rtol=1e-4, atol=1e-4)


def test_every_weight_learns(pair):
    ours, _ = pair
    detector = models.build(ours.name, 128, CLASSES).train()
    assign = detector.assigner()
    rows = [assign(torch.tensor([[0.5, 0.5, 0.4, 0.6]]), torch.tensor([2])) for _ in range(2)]
    loss = detector.loss(
        detector(torch.randn(2, 3, 128, 128)), tuple(torch.stack(parts) for parts in zip(*rows, strict=True))
    )
    loss.value().backward()
    assert all(weight.grad is not None for weight in detector.parameters())


@pytest.mark.parametrize("name", [*SSDS, *FPNS])
@pytest.mark.parametrize("size", [96, 161, 267, 300])
def test_any_size(name, size):
    detector = models.build(name, size, 1).eval()
    with torch.no_grad():
        boxes, scores = Core(detector)(torch.zeros(2, 3, size, size))
    assert boxes.shape == (2, len(detector.anchors), 4)
    assert scores.shape == (2, len(detector.anchors), 1)
    centres = detector.anchors[:, :2]
    assert centres.min() >= 0
    assert centres.max() <= 1.5  # of the smallest, whose last level is larger than the picture


def test_every_model_of_the_catalogue_is_here_under_its_name(scripts: Path):
    from isomer import catalogue

    for name, model in catalogue.load(scripts).items():
        detector = models.build(name, 128 if name in FPNS else model.size, 1)
        assert detector.name == name
        assert all(stage for stage in detector.stages())


def _their_losses(theirs: nn.Module, images: Tensor, truth: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    features = list(theirs.backbone(images).values())
    outputs = theirs.head(features)
    anchors = theirs.anchor_generator(ImageList(images, [images.shape[-2:]]), features)
    if isinstance(theirs, detection.FCOS):
        return theirs.compute_loss(truth, outputs, anchors, [one.shape[-1] ** 2 for one in features])
    if isinstance(theirs, detection.RetinaNet):
        return theirs.compute_loss(truth, outputs, anchors)
    from torchvision.ops import box_iou

    return theirs.compute_loss(
        truth, outputs, anchors, [theirs.proposal_matcher(box_iou(truth[0]["boxes"], anchors[0]))]
    )


def _shake(detector: nn.Module) -> None:
    for module in detector.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)


def _sorted(boxes: Tensor) -> Tensor:
    return boxes.sort(dim=0).values
