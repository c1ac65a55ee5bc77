"""What `infer --source` names: a file or folder, a camera, an address. Standard library only: the host asks it too."""

from __future__ import annotations

import os
from pathlib import Path

from isomer.errors import UserError

DEVICES = Path("/dev")
CAMERA = "video"  # the kernel's name of a camera's device, before its number
SCHEMES = ("http", "https", "rtsp", "rtsps", "rtmp", "rtp", "udp", "tcp", "srt")


def camera(word: str) -> Path | None:
    """The device of a camera, named by its number or by its path; None where the word names something else."""
    if word.isdecimal():
        return DEVICES / f"{CAMERA}{int(word)}"
    path = Path(word)
    return path if path.parent == DEVICES and path.name.startswith(CAMERA) else None


def require_camera(device: Path) -> None:
    """Raises UserError where the camera is not there or may not be used; those that are there are named."""
    if not device.exists():
        there = ", ".join(str(path) for path in sorted(device.parent.glob(f"{CAMERA}*"))) or "none"
        raise UserError(f"--source: there is no camera {device} on this machine (there: {there})")
    if not os.access(device, os.R_OK | os.W_OK):
        raise UserError(f"--source: {device} may not be used by this user (is it in the group video?)")


def is_address(word: str) -> bool:
    """Whether the word is an address.

    Raises:
        UserError: it is one of a kind that is not known.
    """
    scheme, separator, _ = word.partition("://")
    if not separator or "/" in scheme:
        return False
    if scheme.lower() not in SCHEMES:
        raise UserError(f"--source {word}: addresses begin with {', '.join(f'{known}://' for known in SCHEMES)}")
    return True
