"""The detector as Lightning trains it: loss, gradients, optimizer and schedule."""

from __future__ import annotations

from collections.abc import Callable

import lightning
import torch
from lightning.pytorch.callbacks import WeightAveraging
from models.base import Detector
from recipe import Recipe
from torch import Tensor
from torch.nn.utils import get_total_norm

from isomer.flags import Train
from isomer.training import Plan


class TrainingModule(lightning.LightningModule):
    """A detector and its recipe.

    A step may be made of several batches, in several processes. Each leaves the gradients of its summed loss; they are
    divided once, by the positive anchors of the whole step, so that it makes no difference how a step is divided.

    After a step `report` says of all of it: how many processes want to stop, and to save, the gradient's length, then
    the parts of the loss in the order of `parts`.
    """

    def __init__(self, detector: Detector, plan: Plan, recipe: Recipe, options: Train) -> None:
        super().__init__()
        self.detector = detector
        self.plan, self.recipe, self.options = plan, recipe, options
        self.parts: tuple[str, ...] = ()
        self.report: Tensor | None = None
        self.lr = 0.0  # of the last step
        # whether this process wants to stop, and to save: after the step all processes know that one of them did
        self.wishes: Callable[[], tuple[bool, bool]] = lambda: (False, False)
        self._sums: Tensor | None = None

    def setup(self, stage: str) -> None:
        """Lay the tensors out: depthwise convolutions are a third faster with the channels last.

        Not with --amp on a CPU: torch 2.13's bfloat16 gradients of depthwise convolutions of small maps are then
        sometimes infinite.
        """
        is_safe = self.device.type != "cpu" or not self.options.amp
        self.layout = torch.channels_last if is_safe else torch.contiguous_format
        self.detector.to(memory_format=self.layout)

    def training_step(self, batch: tuple[Tensor, ...], _: int) -> Tensor:
        images, *targets = batch
        outputs = self.detector(images.contiguous(memory_format=self.layout))
        parts, positives = self.detector.loss(tuple(one.float() for one in outputs), tuple(targets))
        self.parts = tuple(parts)
        sums = torch.stack([positives.float(), *(part.detach() for part in parts.values())])
        self._sums = sums if self._sums is None else self._sums + sums
        return sum(parts.values())

    def configure_gradient_clipping(self, optimizer: torch.optim.Optimizer, *_, **__) -> None:
        """Divide the gradients by the step's positive anchors and cut them to the recipe's length."""
        sums = torch.cat([self._sums.new_tensor(self.wishes()), self._sums])
        self._sums = None
        world = self.trainer.world_size
        if world > 1:
            torch.distributed.all_reduce(sums)
        stop, save, positives, *_ = sums
        positives = positives.clamp(min=1)
        gradients = [weight.grad for weight in self.parameters() if weight.grad is not None]
        # Lightning has divided by the batches of a step, the processes' average by their number
        factor = self.trainer.accumulate_grad_batches * world / positives
        norm = get_total_norm(gradients) * factor
        torch._foreach_mul_(gradients, factor * (self.recipe.gradient_norm / (norm + 1e-6)).clamp(max=1))
        self.lr = optimizer.param_groups[0]["lr"]
        self.report = torch.cat([torch.stack([stop, save, norm]), sums[3:] / positives])

    def configure_optimizers(self) -> dict:
        # biases and batch norms are not decayed: small ones are no simpler than large ones
        weights = [weight for weight in self.parameters() if weight.requires_grad]
        decayed = [weight for weight in weights if weight.ndim > 1]
        free = [weight for weight in weights if weight.ndim <= 1]
        optimizer = torch.optim.AdamW(
            [{"params": decayed}, {"params": free, "weight_decay": 0.0}],
            lr=self.recipe.lr,
            weight_decay=self.recipe.weight_decay,
            # a scaler would leave the division by its factor to a fused optimizer, after the gradients were cut
            fused=self.trainer.precision != "16-mixed",
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: self.recipe.factor(self.options.schedule, self.plan.steps, step)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Average(WeightAveraging):
    """Exponential moving average of the weights, by Lightning; evaluated, exported, and part of every checkpoint.

    In the first steps it follows faster, or a short run's average would remember the weights it began with.
    """

    def __init__(self, decay: float) -> None:
        def update(average: list[Tensor], current: list[Tensor], count: Tensor | int) -> None:
            seen = int(count)
            share = 1 - min(decay, (1 + seen) / (10 + seen))
            if average[0].is_floating_point():
                torch._foreach_lerp_(average, current, share)
            else:  # how many batches a batch norm has seen
                torch._foreach_copy_(average, current)

        super().__init__(multi_avg_fn=update)
