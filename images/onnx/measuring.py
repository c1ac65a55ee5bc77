"""What `benchmark` measures of several models: latencies in turns, profiles, memory in processes of their own."""

from __future__ import annotations

import datetime
import functools
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import operators
import providers
import timing
from PIL import Image
from published import Published
from session import ERRORS, run
from timing import Times

from isomer import contract, files, progress
from isomer.dataset import shapes
from isomer.dataset.canonical import load_rgb
from isomer.errors import CheckFailed, UserError
from isomer.predicting import sources

PROFILED = 10  # runs
ON_GPU = ("cuda", "tensorrt")
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Asked:
    """What is measured: every model at each of these."""

    models: list[Published]
    batches: tuple[int, ...]
    threads: tuple[int, ...]
    providers: list[str]
    seconds: float
    size: tuple[int, int]
    pictures: Path | None

    @property
    def every_batch(self) -> list[int]:
        """Those asked for, and those that models are fixed to: where one has only its own the others have that too."""
        fixed = [model.batch for model in self.models]
        free = self.batches if None in fixed else ()
        return sorted({*free, *(batch for batch in fixed if batch is not None)})

    def models_at(self, batch: int) -> list[Published]:
        """Those that take so many pictures at a time."""
        return [model for model in self.models if model.batch in (None, batch)]


def measure(asked: Asked) -> dict[str, Any]:
    """All figures, as benchmark.json has them.

    Raises:
        UserError: none of the providers is present, or there is no picture.
        CheckFailed: a model does not run.
    """
    load = os.getloadavg()[0]
    pictures = frames(asked.pictures, max(asked.every_batch), *asked.size)
    pixels = {batch: pictures[:batch] for batch in asked.every_batch}
    data = {model.name: model.model.SerializeToString() for model in asked.models}
    absent = {name: providers.absent(next(iter(data.values())), name) for name in asked.providers}
    present = [name for name in asked.providers if absent[name] is None]
    if not present:
        raise UserError("--providers: " + "; ".join(f"{name}: {why}" for name, why in absent.items()))
    cells: list[dict[str, Any]] = []
    for provider in present:
        # on a GPU the number of threads changes next to nothing
        for threads in asked.threads if provider == "cpu" else asked.threads[:1]:
            cells += _in_turns(asked, data, pixels, provider, threads)
    return {
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": _machine() | {"load": round(load, 2)},
        "frame": list(asked.size),
        "seconds": asked.seconds,
        "absent_providers": {name: why for name, why in absent.items() if why is not None},
        "models": [_about(asked, model, data[model.name], pixels, present) for model in asked.models],
        "cells": cells,
    }


def _in_turns(
    asked: Asked, data: dict[str, bytes], pixels: dict[int, np.ndarray], provider: str, threads: int
) -> list[dict[str, Any]]:
    """The latencies of all models at each batch, and their ratios to the first.

    Raises:
        CheckFailed: a model does not run.
    """
    models = {batch: asked.models_at(batch) for batch in pixels}
    parts: dict[int, list[dict[str, Times]]] = {batch: [] for batch in pixels}
    what = f"{provider}, {threads} {'thread' if threads == 1 else 'threads'}"
    for opening in progress.track(range(timing.OPENINGS), what, unit="openings"):
        # the session that is opened last is a few per cent faster than the others
        order = list(data)[:: -1 if opening % 2 else 1]
        sessions = {name: _opened(name, data[name], provider, threads, len(data) > 1) for name in order}
        for batch, inputs in pixels.items():
            calls: dict[str, Callable[[], object]] = {}
            for model in models[batch]:
                taken = {contract.INPUT: model.as_taken(inputs)}
                if opening == 0:
                    run(sessions[model.name], **taken)  # what cannot run says why
                calls[model.name] = functools.partial(sessions[model.name].run, None, taken)
            parts[batch].append(timing.alternate(calls, asked.seconds / timing.OPENINGS, seed=opening))
    names = {batch: [model.name for model in models[batch]] for batch in pixels}
    return [
        {
            "provider": provider,
            "batch": batch,
            "threads": threads,
            "models": {
                name: timing.together([part[name] for part in parts[batch]]).to_json(batch) for name in names[batch]
            },
            "ratios": {name: _ratios(parts[batch], names[batch][0], name) for name in names[batch][1:]},
        }
        for batch in pixels
    ]


def _opened(name: str, data: bytes, provider: str, threads: int, alternating: bool) -> onnxruntime.InferenceSession:
    try:
        return providers.open_on(data, provider, threads, alternating=alternating)
    except ERRORS as error:
        raise CheckFailed(f"{name} cannot be opened by {provider}: {' '.join(str(error).split())}") from None


def _ratios(parts: list[dict[str, Times]], first: str, second: str) -> dict[str, Any]:
    """By the clock, and by the processors' time, which other processes lengthen less."""
    return {
        key: timing.ratio(
            [getattr(part[first], key) for part in parts], [getattr(part[second], key) for part in parts]
        ).to_json()
        for key in ("wall", "processor")
    }


def _about(
    asked: Asked, model: Published, data: bytes, pixels: dict[int, np.ndarray], present: list[str]
) -> dict[str, Any]:
    """What does not depend on the other models: its file, where its time goes, what it finds, loading and memory."""
    pixels = {batch: model.as_taken(pixels[batch]) for batch in pixels if model in asked.models_at(batch)}
    batches = list(pixels)
    profiles = {
        provider: _profiled(model, data, provider, asked.threads[0], pixels[batches[0]]) for provider in present
    }
    with tempfile.TemporaryDirectory() as folder:
        return {
            "name": model.name,
            "framework": model.about["framework"],
            "architecture": model.about.get("architecture", ""),
            "input_size": model.about["size"],
            "fixed_batch": model.batch,
            "sha256": files.sha256_of_file(model.path),
            "bytes": model.path.stat().st_size,
            "profile": {"batch": batches[0], "threads": asked.threads[0], "providers": profiles},
            "memory": [
                {"provider": provider, "batch": batch, "threads": asked.threads[0]}
                | measure_alone(model.path, provider, asked.threads[0], pixels[batch], Path(folder))
                for provider in present
                for batch in dict.fromkeys((batches[0], batches[-1]))
            ],
        }


def _profiled(model: Published, data: bytes, provider: str, threads: int, pixels: np.ndarray) -> dict[str, Any]:
    """Shares of operators and parts, who computed the nodes, and how much was found (the tail's time depends on it).

    Raises:
        CheckFailed: the model does not run.
    """
    with tempfile.TemporaryDirectory() as folder:
        session = providers.open_on(data, provider, threads)
        found = run(session, **{contract.INPUT: pixels})[contract.OUTPUTS.index(contract.COUNT)]
        session = providers.open_on(data, provider, threads, Path(folder))
        for _ in range(PROFILED):
            session.run(None, {contract.INPUT: pixels})
        spent = operators.read(Path(session.end_profiling()), model.model)
    about = spent.to_json() | {"detections": int(found.sum())}
    # a GPU is still at work when ONNX Runtime stops its clock: that times the launches
    return about | ({"operators": None, "parts": None} if provider in ON_GPU else {})


def measure_alone(path: Path, provider: str, threads: int, pixels: np.ndarray, folder: Path) -> dict[str, Any]:
    """What alone.py says of a model.

    Raises:
        CheckFailed: its process failed; what it said is told.
    """
    np.save(folder / "frames.npy", pixels)
    done = subprocess.run(
        [sys.executable, HERE / "alone.py", path, folder / "frames.npy", provider, str(threads)],
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise CheckFailed(f"{path} in a process of its own, {len(pixels)} pictures at a time: {last}")
    return json.loads(done.stdout.splitlines()[-1])


def frames(source: Path | None, count: int, height: int, width: int) -> np.ndarray:
    """So many frames of a size, uint8 [count, height, width, 3], RGB, of a picture, a folder's, or drawn ones.

    Raises:
        UserError: there is no picture, or it cannot be read.
    """
    if source is None:
        pictures = [shapes.draw(0, "test", index).pixels for index in range(count)]
    else:
        pictures = [load_rgb(one.path) for one in itertools.islice(sources(None, source), count)]
    images = [Image.fromarray(one).resize((width, height), Image.Resampling.BILINEAR) for one in pictures]
    return np.stack([np.asarray(image) for image in itertools.islice(itertools.cycle(images), count)])


def _machine() -> dict[str, Any]:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return {
        "processor": name,
        "processors": len(os.sched_getaffinity(0)),
        "onnxruntime": onnxruntime.__version__,
    }
