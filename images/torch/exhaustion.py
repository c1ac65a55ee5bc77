"""Out of memory: what batch would have fitted, found by trying smaller ones."""

from __future__ import annotations

import gc

import models
import torch
from cluster import share
from job import Job
from models.base import Detector

ON_CPU = ("can't allocate memory", "Cannot allocate memory")
LOADER_KILLED = "is killed by signal: Killed"
LOADER_SHARED = "insufficient shared memory"
MOMENTS = 2  # tensors that AdamW keeps for each weight


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was what was missing; the CPU's allocator says so in words only."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError | OSError) and any(words in str(error) for words in ON_CPU)


def loader_sentence(error: RuntimeError) -> str | None:
    """The sentence about a process that reads pictures and was ended for want of memory; None for anything else."""
    if LOADER_SHARED in str(error):
        return "too little shared memory for the processes that read pictures: lower --workers, or give /dev/shm more"
    if LOADER_KILLED in str(error):
        return (
            "a process that reads pictures was killed, most likely for want of memory: lower --workers, or --cache none"
        )
    return None


def sentence(job: Job, device: torch.device) -> str:
    """What to do about a batch that the memory is too small for. Call it when nothing holds the memory any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    options = job.options
    said = f"out of memory at --batch {options.batch} and --size {options.size}"
    whole = share(options)
    parts = options.batch // whole  # in processes and accumulated batches
    fitting = next((count for count in _smaller(whole) if _fits(job, device, count)), None)
    if fitting is None:
        return f"{said}; not even a batch of {parts} fits: lower --size, or choose a smaller --model"
    times = whole // fitting * options.accumulate
    return (
        f"{said}: --batch {fitting * parts} fits, and so does --accumulate {times}, which keeps the batch and computes "
        "it in parts"
    )


def _smaller(batch: int) -> list[int]:
    """Whole fractions of a batch, the largest first."""
    return [count for count in range(batch // 2, 0, -1) if batch % count == 0]


def _fits(job: Job, device: torch.device, batch: int) -> bool:
    try:
        detector = models.build(job.options.model, job.options.size, len(job.dataset.classes)).to(device)
        # gradients are there after the step that is tried, the optimizer's moments after the first
        kept = [weight.new_zeros(weight.shape) for weight in detector.parameters() for _ in range(MOMENTS)]
        _step(detector, device, batch, amp=job.options.amp)
        del kept
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return False
    return True


def _step(detector: Detector, device: torch.device, batch: int, *, amp: bool) -> None:
    """Forward and backward, as training does it, on grey pictures with one box each."""
    targets = detector.assigner()(torch.tensor([[0.5, 0.5, 0.5, 0.5]]), torch.tensor([1]))
    batched = tuple(one.expand(batch, *one.shape).to(device) for one in targets)
    images = torch.zeros(batch, 3, detector.size, detector.size, device=device)
    detector.train()
    with torch.autocast(device.type, torch.bfloat16, enabled=amp):
        outputs = detector(images.contiguous(memory_format=torch.channels_last))
        detector.loss(tuple(one.float() for one in outputs), batched).value().backward()
