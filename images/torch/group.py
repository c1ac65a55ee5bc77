"""The processes that train together: joined before anything is read that the first of them may still be writing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from cluster import Place
from lightning.fabric.plugins.environments import (
    ClusterEnvironment,
    KubeflowEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from lightning.pytorch.strategies import DDPStrategy
from torch import distributed

from isomer.errors import ProcessLost, UserError

ENVIRONMENTS = {
    "torchrun": TorchElasticEnvironment,
    # it would save and requeue by itself on signals that are ours to handle
    "slurm": lambda: SLURMEnvironment(auto_requeue=False),
    "kubeflow": KubeflowEnvironment,
}

LOST = ("gloo", "NCCL", "Connection closed")  # of the errors about it


def join(place: Place, device: torch.device) -> dict[str, Any]:
    """Meet the other processes; what Lightning's trainer has to know of them."""
    if place.world == 1:
        # or it would find a batch script's variables, and take a signal for its own
        return {"strategy": "auto", "plugins": LightningEnvironment()}
    environment: ClusterEnvironment = ENVIRONMENTS[place.by]()
    backend = "nccl" if device.type == "cuda" else "gloo"
    if device.type == "cuda":
        torch.cuda.set_device(place.local)
    address = f"tcp://{environment.main_address}:{environment.main_port}"
    distributed.init_process_group(backend, init_method=address, rank=place.rank, world_size=place.world)
    return {
        "strategy": DDPStrategy(
            cluster_environment=environment, process_group_backend=backend, gradient_as_bucket_view=True
        )
    }


def check_same(place: Place, what: str, value: Any) -> None:
    """All processes must have found the same.

    Raises:
        UserError: they have not.
    """
    values = gather(place, value)
    if len(set(values)) > 1:
        raise UserError(f"the processes found different {what} ({values}): the data volume must be shared by all nodes")


def gather(place: Place, value: Any) -> list[Any]:
    """What each of the processes has, in their order."""
    if place.world == 1:
        return [value]
    values = [None] * place.world
    distributed.all_gather_object(values, value)
    return values


def same_buffers(place: Place, module: torch.nn.Module) -> None:
    """Give all processes the first one's statistics of batch norms."""
    if place.world > 1:
        for buffer in module.buffers():
            distributed.broadcast(buffer, src=0)


@contextlib.contextmanager
def losses_told(place: Place) -> Iterator[None]:
    """Inside, the errors of a connection whose other end is gone become a sentence.

    Raises:
        ProcessLost: as it says.
    """
    try:
        yield
    except RuntimeError as error:
        is_lost = isinstance(error, distributed.DistError) or any(word in str(error) for word in LOST)
        if place.world == 1 or not is_lost:
            raise
        raise ProcessLost(
            "the connection to another process of the run is lost: the same command goes on from the checkpoint"
        ) from error
