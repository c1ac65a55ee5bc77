"""How fast models are, frame by frame, and how many frames a second come out at the end."""

from __future__ import annotations

import time
from collections import deque

import numpy as np
from detector import Detector

from isomer.native import Detections

MOST_TIMED = 10_000  # of a stream of days the newest


class Meter:
    """Times of some models, and of all that is done between the first and the last frame."""

    def __init__(self, models: list[Detector]) -> None:
        self.frames = 0
        self.seconds = 0.0
        self._models = models
        self._times: list[deque[float]] = [deque(maxlen=MOST_TIMED) for _ in models]
        self._detections = [0] * len(models)
        self._start: float | None = None

    def time(self, number: int, model: Detector, pictures: np.ndarray) -> list[Detections]:
        """What a model finds in pictures of one size [n, height, width, 3], timed."""
        if not self._times[number]:
            model.find(pictures)  # the first run allocates
        start = time.perf_counter()
        if self._start is None:
            self._start = start
        found = model.find(pictures)
        self._times[number].append(time.perf_counter() - start)
        self._detections[number] += sum(len(one.scores) for one in found)
        if number == 0:
            self.frames += len(pictures)
        return found

    def stop(self) -> None:
        """The last frame is finished."""
        self.seconds = 0.0 if self._start is None else time.perf_counter() - self._start

    @property
    def rate(self) -> float:
        """Frames a second, everything included."""
        return self.frames / self.seconds if self.seconds else 0.0

    def models(self) -> list[dict]:
        """What there is to say of each model; latencies are of what went through it at once."""
        return [
            {
                "name": model.name,
                "sha256": model.sha256,
                "provider": model.session.get_providers()[0].removesuffix("ExecutionProvider"),
                "threshold": model.threshold,
                "detections": count,
                "latency_ms": {f"p{p}": round(float(np.percentile(times, p)) * 1000, 3) for p in (50, 95)},
            }
            for model, times, count in zip(self._models, self._times, self._detections, strict=True)
        ]
