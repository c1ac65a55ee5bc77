"""Training's own errors, and what makes no difference to what is learned."""

from __future__ import annotations

import dataclasses
import time

import exhaustion
import loading
import models
import numpy as np
import pytest
import still_norms
import torch
import trainer
from cluster import Place
from data import TrainingPictures
from job import Job
from PIL import Image
from recipe import Recipe

from isomer.dataset import canonical
from isomer.dataset.canonical import Box, Picture
from isomer.errors import ProcessLost, UserError
from isomer.flags import Train
from isomer.interruption import Interruption
from isomer.run import RunFolder, start_or_resume
from isomer.stream import Stream
from isomer.training import Plan
from isomer.volume import Volume

MODEL = "ssdlite320_mobilenet_v3_large"
OPTIONS = Train(data="few", model=MODEL, weights="none", size=96, steps=2, batch=4, workers=0, device="cpu")


def test_picture_that_a_loader_process_cannot_read_is_named_in_one_sentence(tmp_path):
    dataset = _dataset(tmp_path)
    (dataset.folder / "images" / "train-2.png").write_bytes(b"spoilt")
    with pytest.raises(UserError, match=r"train-2\.png") as error:
        _train(tmp_path, dataset, dataclasses.replace(OPTIONS, workers=1, cache="none"))
    assert "\n" not in str(error.value)
    assert "Traceback" not in str(error.value)


def test_a_loader_process_that_answers_no_more_ends_the_run_as_one_that_may_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "STUCK_SECONDS", 1)
    monkeypatch.setattr(TrainingPictures, "__getitem__", lambda *_: time.sleep(60))
    with pytest.raises(ProcessLost, match=r"did not answer .* the same command goes on from the checkpoint"):
        _train(tmp_path, _dataset(tmp_path), dataclasses.replace(OPTIONS, workers=1))


def test_loss_that_is_no_number_names_step_pictures_and_the_last_checkpoint(tmp_path):
    dataset = _dataset(tmp_path)
    options = dataclasses.replace(OPTIONS, steps=6, eval_every=1.0)
    with pytest.raises(UserError, match=r"at step [23] \(epoch [23], batch 1\), pictures train-\d\.png, ") as error:
        _train(tmp_path, dataset, options, Recipe(lr=1e30, warmup=0.0))
    (checkpoint,) = (tmp_path / "runs" / "few-torch" / "checkpoints").glob("step-*")
    assert f"the last good checkpoint is {checkpoint}" in str(error.value)
    weights = torch.load(checkpoint, weights_only=True)["state_dict"]
    assert all(value.isfinite().all() for value in weights.values())


def test_without_memory_the_batch_that_fits_is_named(tmp_path, monkeypatch):
    """Whatever needs more than two pictures at a time fails as torch's CPU allocator does."""
    forward = models.build(MODEL, 96, 1).__class__.forward

    def limited(self, images):
        if len(images) > 2:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: …")
        return forward(self, images)

    monkeypatch.setattr(models.build(MODEL, 96, 1).__class__, "forward", limited)
    with pytest.raises(UserError, match="--batch 2 fits, and so does --accumulate 4"):
        _train(tmp_path, _dataset(tmp_path), dataclasses.replace(OPTIONS, batch=8))
    with pytest.raises(UserError, match="--batch 4 fits, and so does --accumulate 4"):
        _train(tmp_path, _dataset(tmp_path), dataclasses.replace(OPTIONS, batch=8, accumulate=2, run="two"))


def test_only_missing_memory_is_taken_for_it():
    assert exhaustion.is_out_of_memory(torch.OutOfMemoryError())
    assert exhaustion.is_out_of_memory(MemoryError())
    assert not exhaustion.is_out_of_memory(RuntimeError("shape mismatch"))
    killed = RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")
    assert "lower --workers" in exhaustion.loader_sentence(killed)


def test_accumulated_batches_make_the_same_step(tmp_path, monkeypatch):
    """The same pictures in one batch or in four, of which some hold more boxes than others: the same weights."""
    build = models.build
    monkeypatch.setattr(models, "build", lambda *arguments: still_norms.hold(build(*arguments)))
    dataset = _dataset(tmp_path, 8)
    options = dataclasses.replace(OPTIONS, batch=8, steps=3, lr=1e-3)
    whole = _train(tmp_path, dataset, options)
    parts = _train(tmp_path, dataset, dataclasses.replace(options, accumulate=4, run="parts"))
    losses = [[line["loss"] for line in run.metrics() if line["split"] == "train"] for run in (whole, parts)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    # by length: of a weight whose gradient is nothing but float noise AdamW makes a step of its own size
    untrained = _untrained(tmp_path, dataset, options)
    for name, weight in _weights(whole).items():
        change = (weight - untrained[name]).float().norm()
        assert (_weights(parts)[name] - weight).float().norm() <= 0.005 * change, name


def test_the_average_is_what_is_evaluated_and_kept(tmp_path):
    dataset = _dataset(tmp_path)
    run = _train(tmp_path, dataset, dataclasses.replace(OPTIONS, ema=0.99, lr=0.01))
    (path,) = run.checkpoints.glob("step-*")
    checkpoint = torch.load(path, weights_only=True)
    name = "detector.head.classification_head.module_list.0.1.weight"
    best = _weights(run)[name.removeprefix("detector.")]
    assert torch.equal(best, checkpoint["state_dict"][name])
    assert not torch.equal(best, checkpoint["current_model_state"][name])


def test_early_stop_ends_a_run_that_gets_no_better(tmp_path):
    dataset = _dataset(tmp_path)
    options = dataclasses.replace(OPTIONS, steps=50, lr=0.0, eval_every=1.0, early_stop=2)
    run = _train(tmp_path, dataset, options)
    assert run.record()["state"] == "done"
    assert run.record()["steps"] == 3


def test_frozen_weights_stay_as_they_were(tmp_path):
    dataset = _dataset(tmp_path)
    run = _train(tmp_path, dataset, dataclasses.replace(OPTIONS, freeze="backbone", lr=0.01))
    untrained, trained = _untrained(tmp_path, dataset, OPTIONS), _weights(run)
    stem, head = "backbone.features.0.0.0.weight", "head.classification_head.module_list.0.1.weight"
    assert torch.equal(trained[stem], untrained[stem])
    norm = "backbone.features.0.0.1.running_mean"
    assert torch.equal(trained[norm], untrained[norm])
    assert not torch.equal(trained[head], untrained[head])


def test_as_many_checkpoints_as_are_wanted(tmp_path):
    options = dataclasses.replace(OPTIONS, steps=8, eval_every=2.0, keep=2, logger="none")
    run = _train(tmp_path, _dataset(tmp_path), options)
    assert [path.name for path in sorted(run.checkpoints.iterdir())] == [
        "best.pt",
        "step-00000006.ckpt",
        "step-00000008.ckpt",
    ]
    assert not run.tensorboard.exists()


def _dataset(root, count: int = 4) -> canonical.Dataset:
    folder = root / "datasets" / "few"
    rng = np.random.default_rng(0)
    splits = {}
    for split, many in (("train", count), ("val", 1)):
        pictures = []
        for number in range(many):
            path = folder / "images" / f"{split}-{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
            boxes = tuple(Box(1, 10 + 9 * place, 10, 30, 30) for place in range(1 + number % 3))
            pictures.append(Picture(0, path.name, 64, 64, boxes))
        splits[split] = tuple(pictures)
    return canonical.write(folder, ("thing",), splits, {})


def _job(root, dataset: canonical.Dataset, options: Train, recipe: Recipe) -> Job:
    run = start_or_resume(Volume(root), dataset, options, "torch", {})
    train, val = dataset.split("train"), dataset.split("val")
    stream = Stream(train.pictures, options.seed, options.balance)
    plan = Plan.of(options, len(stream))
    return Job(run, dataset, train, val, stream, options, plan, recipe, None, Place(), Interruption())


def _train(root, dataset: canonical.Dataset, options: Train, recipe: Recipe | None = None) -> RunFolder:
    recipe = recipe or Recipe(5e-3 if options.lr is None else options.lr)
    job = _job(root, dataset, options, recipe)
    with job.interruption:
        trainer.train(job)
    return job.run


def _weights(run: RunFolder) -> dict[str, torch.Tensor]:
    return torch.load(run.path / run.record()["weights"], weights_only=True)["detector"]


def _untrained(root, dataset: canonical.Dataset, options: Train) -> dict[str, torch.Tensor]:
    """What a run with these options begins with."""
    job = _job(root, dataset, dataclasses.replace(options, run="untrained"), Recipe(1.0))
    return trainer._detector(job).state_dict()
