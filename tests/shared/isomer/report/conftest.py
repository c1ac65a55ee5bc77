"""The data volumes that the page is made from."""

import pytest
from made_up import add_everything, make_volume

from isomer.volume import Volume


@pytest.fixture
def volume(tmp_path, monkeypatch) -> Volume:
    """A volume with the dataset `toys` and nothing else."""
    monkeypatch.setenv("ISOMER_DATA", str(tmp_path))
    return make_volume(tmp_path)


@pytest.fixture
def full_volume(volume) -> Volume:
    """Two runs, tf and torch, trained, published and compared."""
    add_everything(volume)
    return volume
