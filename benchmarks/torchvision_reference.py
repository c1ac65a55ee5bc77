"""torchvision's reference recipe for detection, as its own scripts have it: what ours is measured against.

https://github.com/pytorch/vision/tree/main/references/detection: presets.py (transforms v2 on Pillow's pictures),
train.py (loader), engine.py (loop). Written anew here, because those scripts are in no package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.models import detection
from torchvision.transforms import v2

from isomer.dataset.canonical import Split

MEAN = (123.0, 117.0, 104.0)
AUGMENTATIONS = {
    "hflip": [v2.RandomHorizontalFlip()],
    "ssdlite": [v2.RandomIoUCrop(), v2.RandomHorizontalFlip()],
    "ssd": [
        v2.RandomPhotometricDistort(),
        v2.RandomZoomOut(fill=list(MEAN)),
        v2.RandomIoUCrop(),
        v2.RandomHorizontalFlip(),
    ],
}


class Pictures(Dataset):
    """A split through Pillow and the transforms of a preset: (image float [3, h, w], {boxes, labels})."""

    def __init__(self, split: Split, augmentation: str) -> None:
        self.split = split
        last = [v2.PILToTensor(), v2.ToDtype(torch.float, scale=True), v2.SanitizeBoundingBoxes(), v2.ToPureTensor()]
        self.transforms = v2.Compose([*AUGMENTATIONS[augmentation], *last])

    def __len__(self) -> int:
        return len(self.split.pictures)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, dict]:
        picture = self.split.pictures[index]
        image = Image.open(self.split.path(picture)).convert("RGB")
        corners = [[box.x, box.y, box.x + box.width, box.y + box.height] for box in picture.boxes]
        boxes = tv_tensors.BoundingBoxes(
            torch.tensor(corners).reshape(-1, 4), format="XYXY", canvas_size=(picture.height, picture.width)
        )
        labels = torch.tensor([box.category for box in picture.boxes], dtype=torch.int64)
        return self.transforms(image, {"boxes": boxes, "labels": labels})


def batches(split: Split, augmentation: str, batch: int, workers: int) -> Iterator[tuple]:
    """Batches without end, from the script's loader."""
    pictures = Pictures(split, augmentation)
    loader = DataLoader(pictures, batch, shuffle=True, drop_last=True, num_workers=workers, collate_fn=_collate)
    while True:
        yield from loader


def stepper(name: str, size: int, classes: int, device: torch.device) -> Callable[[tuple], float]:
    """A function that does one step of the script's loop on a batch, for one of torchvision's detectors at an input of
    size × size; gives the loss."""
    torch.manual_seed(0)
    model = detection.__dict__[name](weights=None, weights_backbone=None, num_classes=classes + 1).to(device)
    model.transform.fixed_size = (size, size)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=4e-5)
    model.train()

    def step(batch: tuple) -> float:
        images, targets = batch
        images = [image.to(device) for image in images]
        targets = [{key: value.to(device) for key, value in target.items()} for target in targets]
        loss = sum(model(images, targets).values())
        value = loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return value

    return step


def _collate(batch: list[tuple]) -> tuple:
    return tuple(zip(*batch, strict=True))
