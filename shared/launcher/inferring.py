"""`./inv infer`: what its step may reach beyond the data volume, and only when it is asked for.

A source on this machine is shown to it, a camera and the screen are mapped, an address brings the network.
"""

from __future__ import annotations

import os
from dataclasses import replace

from isomer import feeds
from isomer.errors import UserError
from launcher.exporting import TOOLS
from launcher.step import Step, existing, script
from launcher.verbs import Parsed


def step(given: Parsed) -> Step:
    """The step of a verb with the flags of isomer.flags.Infer.

    Raises:
        UserError: the source, its camera, or a screen for --show is not there.
    """
    flags = given.flags
    if flags.show and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise UserError("--show: there is no screen here (DISPLAY and WAYLAND_DISPLAY are not set); leave it out")
    camera = feeds.camera(flags.source)
    if camera is not None:
        feeds.require_camera(camera)
    network = camera is None and feeds.is_address(flags.source)
    argv = list(given.argv)
    if camera is None and not network:
        argv[argv.index("--source") + 1] = existing(flags.source)
    made = script(TOOLS, "infer", argv, flags.device, network)
    return replace(made, camera=camera, screen=flags.show)
