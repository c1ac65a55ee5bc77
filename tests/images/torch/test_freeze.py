"""What --freeze holds still, and what it does not."""

from __future__ import annotations

import models
import pytest
import torch
from torch import nn

from isomer.errors import UserError

NAMES = (
    "ssdlite320_mobilenet_v3_large",
    "ssd300_vgg16",
    "retinanet_resnet50_fpn",
    "retinanet_resnet50_fpn_v2",
    "fcos_resnet50_fpn",
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", ["1", "3", "backbone"])
def test_frozen_stages_stay_as_they_are_in_training(name, what):
    detector = models.build(name, 96, 2)
    detector.freeze(what)
    detector.eval().train()
    count = len(detector.stages()) if what == "backbone" else int(what)
    frozen = [module for stage in detector.stages()[:count] for module in stage]
    free = [module for stage in detector.stages()[count:] for module in stage]
    before = {key: value.clone() for key, value in detector.state_dict().items()}
    _step(detector)
    after = detector.state_dict()
    still = {id(tensor) for module in frozen for tensor in [*module.parameters(), *module.buffers()]}
    named = {**dict(detector.named_parameters()), **dict(detector.named_buffers())}
    for key in before:
        if id(named[key]) in still:
            assert torch.equal(before[key], after[key]), key
    learning = [weight for module in [*free, detector.head] for weight in module.parameters()]
    assert learning
    assert all(weight.requires_grad and weight.grad is not None for weight in learning)
    norms = [one for module in free for one in module.modules() if isinstance(one, nn.BatchNorm2d)]
    assert all(norm.training for norm in norms)


def test_held_norms_stay_still_while_their_convolutions_learn():
    detector = models.build("retinanet_resnet50_fpn_v2", 96, 2)
    detector.hold_norms()
    detector.train()
    before = {key: value.clone() for key, value in detector.state_dict().items()}
    _step(detector)
    after = detector.state_dict()
    assert torch.equal(
        before["backbone.body.layer3.0.bn1.running_mean"], after["backbone.body.layer3.0.bn1.running_mean"]
    )
    assert torch.equal(before["backbone.body.layer3.0.bn1.weight"], after["backbone.body.layer3.0.bn1.weight"])
    assert not torch.equal(before["backbone.body.layer3.0.conv1.weight"], after["backbone.body.layer3.0.conv1.weight"])


def test_frozen_norms_stay_still_everywhere_while_all_else_learns():
    """Then it makes no difference how many pictures are looked at at once."""
    detector = models.build("ssdlite320_mobilenet_v3_large", 96, 2)
    detector.freeze("norms")
    detector.train()
    norms = [one for one in detector.modules() if isinstance(one, nn.BatchNorm2d)]
    before = [tensor.clone() for norm in norms for tensor in norm.state_dict().values()]
    images = torch.randn(4, 3, 96, 96)
    whole, halves = detector(images), [detector(half) for half in images.split(2)]
    for one, parts in zip(whole, zip(*halves, strict=True), strict=True):
        torch.testing.assert_close(one, torch.cat(parts), rtol=1e-4, atol=1e-5)
    _step(detector)
    after = [tensor for norm in norms for tensor in norm.state_dict().values()]
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))
    still = {id(weight) for norm in norms for weight in norm.parameters()}
    assert all(weight.grad is not None for weight in detector.parameters() if id(weight) not in still)


def test_norms_of_a_network_without():
    with pytest.raises(UserError, match="--freeze norms: ssd300_vgg16 has no batch norms"):
        models.build("ssd300_vgg16", 300, 1).freeze("norms")


def test_more_than_there_are():
    with pytest.raises(UserError, match=r"--freeze 7: .* 6 stages"):
        models.build("ssdlite320_mobilenet_v3_large", 96, 1).freeze("7")


def _step(detector: models.Detector) -> None:
    torch.manual_seed(0)
    answers = detector.assigner()(torch.tensor([[0.5, 0.5, 0.4, 0.6]]), torch.tensor([2]))
    optimizer = torch.optim.SGD([one for one in detector.parameters() if one.requires_grad], lr=1e-3)
    loss = detector.loss(detector(torch.randn(2, 3, 96, 96)), tuple(torch.stack([part, part]) for part in answers))
    loss.value().backward()
    optimizer.step()
