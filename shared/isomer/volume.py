"""Where everything lies in the data volume. Standard library only.

datasets/NAME/  weights/  runs/RUN/  models/NAME.onnx  predictions/MODEL-WEIGHTS/  reports/NAME/  exports/NAME-FORMAT/
downloads/HOST/…  sweeps/NAME.json  slurm/ (batch scripts and logs; a training's are in its run's folder)
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from isomer.errors import UserError, known

DOWNLOADS, WEIGHTS = "downloads", "weights"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def check_name(what: str, name: str) -> str:
    """A name that is safe as a file name everywhere.

    Raises:
        UserError: it is not; the message says what is allowed.
    """
    if not NAME.fullmatch(name):
        raise UserError(f"{what} {name!r}: use letters, digits, '.', '_' and '-', first a letter or digit")
    return name


@dataclass(frozen=True)
class Volume:
    """The data volume at `root` (`$ISOMER_DATA`; `/data` in a container)."""

    root: Path

    @classmethod
    def from_environment(cls) -> Volume:
        return cls(Path(os.environ.get("ISOMER_DATA", "data")).resolve())

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def weights(self) -> Path:
        return self.root / WEIGHTS

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def predictions(self) -> Path:
        return self.root / "predictions"

    @property
    def exports(self) -> Path:
        return self.root / "exports"

    @property
    def downloads(self) -> Path:
        return self.root / DOWNLOADS

    @property
    def sweeps(self) -> Path:
        return self.root / "sweeps"

    @property
    def jobs(self) -> Path:
        return self.root / "slurm"

    def dataset(self, name: str) -> Path:
        """The folder of a dataset that must exist."""
        return self._existing("dataset", self.datasets, name, "dataset.json", "make one with data-make or data-import")

    def run(self, name: str) -> Path:
        """The folder of a run that must exist."""
        return self._existing("run", self.runs, name, "config.json", "train one first")

    def model(self, name: str) -> Path:
        """The file of a published model."""
        path = self.models / f"{check_name('model', name)}.onnx"
        if not path.is_file():
            raise known("model", name, (p.stem for p in self.models.glob("*.onnx")))
        return path

    def _existing(self, what: str, parent: Path, name: str, marker: str, advice: str) -> Path:
        folder = parent / check_name(what, name)
        if not (folder / marker).is_file():
            error = known(what, name, (p.parent.name for p in parent.glob(f"[!.]*/{marker}")))
            raise UserError(f"{error} ({advice})")
        return folder


def default_run(data: str, framework: str) -> str:
    """The run's name when `--run` does not say otherwise."""
    return f"{data}-{framework}"
