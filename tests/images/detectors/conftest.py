"""The same tests for every image that trains, whatever its framework."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny import SETTINGS, ImageScripts, make_tiny

from isomer.run import RunFolder
from isomer.volume import Volume


@pytest.fixture(scope="session")
def image(scripts: Path, tmp_path_factory: pytest.TempPathFactory) -> ImageScripts:
    volume = Volume(tmp_path_factory.mktemp("volume"))
    make_tiny(volume.datasets / "tiny")
    return ImageScripts(scripts, volume)


@pytest.fixture(scope="session")
def trained(image: ImageScripts) -> RunFolder:
    """A run of STEPS steps, done."""
    image.run("train", *SETTINGS)
    return image.folder()
