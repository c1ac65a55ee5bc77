"""An image's scripts as processes, and a dataset small and easy enough for them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from isomer.dataset import canonical
from isomer.dataset.canonical import Box, Picture
from isomer.run import RunFolder
from isomer.volume import Volume, default_run

SIDE = 96  # also the models' input
PICTURES = {"train": 64, "val": 8, "test": 6}
STEPS = 30
SETTINGS = ("--data", "tiny", "--size", str(SIDE), "--steps", str(STEPS), "--batch", "16", "--device", "cpu")


@dataclass(frozen=True)
class ImageScripts:
    """An image's scripts, run against a data volume."""

    scripts: Path
    volume: Volume

    @property
    def framework(self) -> str:
        return self.scripts.name

    def folder(self, name: str | None = None) -> RunFolder:
        return RunFolder(self.volume.runs / (name or default_run("tiny", self.framework)))

    def start(self, script: str, *arguments: str) -> subprocess.Popen:
        shared = Path(canonical.__file__).parents[2]
        return subprocess.Popen(
            [sys.executable, str(self.scripts / f"{script}.py"), *arguments],
            env=os.environ | {"ISOMER_DATA": str(self.volume.root), "PYTHONPATH": str(shared)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, script: str, *arguments: str, exit_code: int = 0) -> str:
        """Run a script to its end; its output, in which no traceback may stand."""
        process = self.start(script, *arguments)
        try:
            output, _ = process.communicate(timeout=300)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        assert process.returncode == exit_code, output
        assert "Traceback" not in output, output
        return output


def make_tiny(folder: Path) -> None:
    """A bright square on dark noise in a quarter of each picture: so near the anchors that little is left to learn."""
    rng = np.random.default_rng(0)
    splits = {
        split: tuple(_draw(folder, rng, f"{split}-{number}.png") for number in range(count))
        for split, count in PICTURES.items()
    }
    canonical.write(folder, ("square",), splits, {"source": "drawn by a test"})


def _draw(folder: Path, rng: np.random.Generator, name: str) -> Picture:
    pixels = rng.integers(0, 60, (SIDE, SIDE, 3), dtype=np.uint8)
    side = int(rng.integers(42, 48))
    x, y = (int(value) for value in rng.integers(0, 2, 2) * (SIDE // 2) + rng.integers(0, SIDE // 2 - side + 1, 2))
    pixels[y : y + side, x : x + side] = 230
    path = folder / canonical.IMAGES / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return Picture(0, name, SIDE, SIDE, (Box(1, x, y, side, side),))
