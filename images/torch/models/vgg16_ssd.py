"""SSD with VGG16, pytorch-ssd's vgg16-ssd. https://arxiv.org/abs/1512.02325"""

from __future__ import annotations

from torch import Tensor, nn

from isomer import priors
from models import pytorch_ssd_layers as layers
from models.pytorch_ssd import Parts, PytorchSsd, Tap, conv3, extra

# Channels inside, at the end, and whether the map is halved or loses its border.
EXTRAS = ((256, 512, True), (128, 256, True), (128, 256, False), (128, 256, False))
CONV4_3 = 512  # channels of the first feature map, whose values are much larger than the others': it has a norm


class Model(PytorchSsd):
    """With batch norm on conv4_3, as pytorch-ssd has it since 2018."""

    name = "vgg16_ssd"
    mean = (123.0, 117.0, 104.0)
    std = (1.0, 1.0, 1.0)
    shapes = priors.VGG
    starts = (0, 5, 10, 17, 24)
    norm: type[nn.Module] = nn.BatchNorm2d

    @classmethod
    def parts(cls, _: float) -> Parts:
        channels, extras = [CONV4_3, 1024], []
        for few, outputs, halve in EXTRAS:
            extras.append(extra(channels[-1], few, outputs, halve))
            channels.append(outputs)
        taps = (Tap(23), Tap(35))
        return Parts(layers.vgg16(), taps, extras, tuple(channels), conv3, conv3, cls.norm(CONV4_3))

    def from_backbone(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Of torchvision's vgg16, whose fully connected layers do not fit, or of pytorch-ssd's own, where they do."""
        features = (name for name in state if name.startswith("features."))
        return super().from_backbone(state) | {
            name.replace("features", "base_net", 1): state[name] for name in features
        }


class L2(Model):
    """With the paper's scaled L2 norm on conv4_3, as older checkpoints have it."""

    name = "vgg16_ssd_l2"
    norm = layers.ScaledL2Norm
