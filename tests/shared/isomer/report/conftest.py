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


@pytest.fixture
def tab(browser, tmp_path):
    """Opens a page's HTML in a browser; at the end it must not have complained or asked the network for anything."""
    opened = []

    def open_page(html: str, **emulation):
        path = tmp_path / f"page-{len(opened)}.html"
        path.write_text(html)
        opened.append(browser.open(path.as_uri(), **emulation))
        return opened[-1]

    yield open_page
    for one in opened:
        assert one.complaints() == []
        assert one.requests() == []
        one.close()
