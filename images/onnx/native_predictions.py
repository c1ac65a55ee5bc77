"""Reading back what `isomer.native.write` left in a run: the framework's side of every comparison."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from isomer import native
from isomer.contract import Thresholds
from isomer.dataset.canonical import Dataset, Split
from isomer.errors import CheckFailed, UserError
from isomer.native import Detections
from isomer.run import RunFolder


@dataclass(frozen=True)
class NativeProbe:
    """A probe's pixels, uint8 [n, height, width, 3], and what the framework made of them.

    boxes [n, A, 4], scores [n, A, C] (None of a model that keeps its own NMS), and the detections of each picture by
    the framework's own NMS.
    """

    name: str
    pixels: np.ndarray
    boxes: np.ndarray | None
    scores: np.ndarray | None
    detections: tuple[Detections, ...]


@dataclass(frozen=True)
class NativePredictions:
    """A run's native folder. results: COCO results of the split."""

    run: RunFolder
    split: Split
    weights_sha256: str
    thresholds: Thresholds
    results: list[dict]

    @classmethod
    def load(cls, run: RunFolder, dataset: Dataset) -> NativePredictions:
        """Read native.json and detections.json.

        Raises:
            UserError: they are not there.
            CheckFailed: they cannot be read.
        """
        try:
            about = json.loads((run.native / "native.json").read_text())
            results = native.read_detections(run)
            return cls(
                run, dataset.split(about["split"]), about["weights_sha256"], Thresholds(**about["thresholds"]), results
            )
        except FileNotFoundError as error:
            raise UserError(f"run {run.name!r} has no native predictions ({error.filename}): export it again") from None
        except (ValueError, KeyError, TypeError) as error:
            raise CheckFailed(f"{run.native} cannot be read ({error}): export again") from None

    def probes(self) -> Iterator[NativeProbe]:
        """The probes, with pixels made anew from the split.

        Raises:
            CheckFailed: the framework saw other pixels than those made here, or a probe is missing.
        """
        path = self.run.native / "probes.npz"
        has_raw = not self.run.whole_json.is_file()
        try:
            with np.load(path) as arrays:
                for probe in native.probes(self.split):
                    if str(arrays.get(f"{probe.name}/sha256")) != probe.sha256:
                        raise CheckFailed(
                            f"probe {probe.name}: the framework saw other pixels than are here now: export again"
                        )
                    yield NativeProbe(
                        probe.name,
                        probe.pixels,
                        arrays[f"{probe.name}/raw_boxes"] if has_raw else None,
                        arrays[f"{probe.name}/raw_scores"] if has_raw else None,
                        tuple(
                            Detections(
                                *(arrays[f"{probe.name}/{index}/{key}"] for key in ("boxes", "classes", "scores"))
                            )
                            for index in range(len(probe.pixels))
                        ),
                    )
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise CheckFailed(f"{path} cannot be read ({error}): export again") from None
