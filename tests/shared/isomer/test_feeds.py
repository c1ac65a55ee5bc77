"""Words for --source: which are cameras, which addresses, which neither."""

from __future__ import annotations

from pathlib import Path

import pytest

from isomer import feeds
from isomer.errors import UserError


@pytest.mark.parametrize(
    ("word", "device"),
    [("0", "/dev/video0"), ("12", "/dev/video12"), ("/dev/video3", "/dev/video3"), ("video3", None), ("0.mp4", None)],
)
def test_cameras(word, device):
    assert feeds.camera(word) == (None if device is None else Path(device))


@pytest.mark.parametrize(
    ("word", "is_address"),
    [("http://a/b.mp4", True), ("RTSP://user:word@a", True), ("pictures", False), ("./a://b", False)],
)
def test_addresses(word, is_address):
    assert feeds.is_address(word) is is_address


def test_an_address_of_a_kind_that_is_not_known():
    with pytest.raises(UserError, match="addresses begin with http://"):
        feeds.is_address("ftp://a/b.mp4")


def test_cameras_that_are_there_are_named(tmp_path):
    (tmp_path / "video2").touch()
    with pytest.raises(UserError, match=r"there: .*video2"):
        feeds.require_camera(tmp_path / "video0")
    feeds.require_camera(tmp_path / "video2")
