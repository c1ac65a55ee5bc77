"""How far a data volume is with the main job, read from the files that the steps leave behind.

A stage is done when its result is there and was made from what is there now: hashes, not times, except for the
page, which holds no hash.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from isomer.files import sha256_of_file
from isomer.flags import Train
from isomer.volume import Volume, default_run


@dataclass(frozen=True)
class State:
    """The state of one dataset's pipeline; `frameworks` are those that take part."""

    volume: Volume
    data: str
    frameworks: tuple[str, ...]

    def runs(self) -> list[str]:
        return [default_run(self.data, framework) for framework in self.frameworks]

    def has_dataset(self) -> bool:
        return (self.volume.datasets / self.data / "dataset.json").is_file()

    def is_trained(self, framework: str, config: Train) -> bool:
        """Whether the run is finished, with these flags and this dataset, and may stay."""
        if config.fresh or config.config:  # a file of flags is read by the step, which knows whether it is done
            return False
        folder = self._run(framework)
        if not self.has_ended(framework):
            return False
        found, wanted = read(folder / "config.json"), asdict(config)
        same = all(found[key] == value for key, value in wanted.items() if key in found and value is not None)
        return same and found.get("dataset_sha256") == self._dataset_sha256()

    def has_ended(self, framework: str) -> bool:
        """Whether the run is at its end, whatever its flags."""
        return read(self._run(framework) / "run.json").get("state") == "done"

    def is_published(self, framework: str) -> bool:
        """Whether the run's weights as they are now went through the gate, and the model is there."""
        gate = read(self._run(framework) / "gate.json")
        model = self.volume.models / f"{default_run(self.data, framework)}.onnx"
        return (
            bool(gate.get("passed"))
            and gate["weights_sha256"] == read(self._run(framework) / "run.json").get("weights_sha256")
            and model.is_file()
            and sha256_of_file(model) == gate["sha256"]
        )

    def is_compared(self, max_gap: str) -> bool:
        """Whether parity.json is about these models as they are now, whatever its verdict."""
        found = self.parity()
        if not found or found["dataset_sha256"] != self._dataset_sha256():
            return False
        models = {item["name"]: item["sha256"] for item in found["models"]}
        if set(models) != set(self.runs()) or found["verdict"]["max_gap"] != gap(max_gap):
            return False
        return all(sha256_of_file(self.volume.models / f"{name}.onnx") == sha256 for name, sha256 in models.items())

    def is_reported(self) -> bool:
        sources = [self.volume.reports / self.data / "parity.json"]
        sources += [self.volume.runs / run / "gate.json" for run in self.runs()]
        newest = max((path.stat().st_mtime for path in sources if path.is_file()), default=0)
        return self.page.is_file() and self.page.stat().st_mtime >= newest

    @property
    def page(self) -> Path:
        return self.volume.reports / self.data / "index.html"

    def parity(self) -> dict[str, Any]:
        return read(self.volume.reports / self.data / "parity.json")

    def gate(self, run: str) -> dict[str, Any]:
        return read(self.volume.runs / run / "gate.json")

    def _run(self, framework: str) -> Path:
        return self.volume.runs / default_run(self.data, framework)

    def _dataset_sha256(self) -> str | None:
        return read(self.volume.datasets / self.data / "dataset.json").get("sha256")


def read(path: Path) -> dict[str, Any]:
    """A JSON file's object; empty where there is none."""
    return json.loads(path.read_text()) if path.is_file() else {}


def gap(word: str) -> float | None:
    """`--max-gap` as parity.json has it."""
    return None if word == "none" else float(word)
