"""`./inv shell IMAGE`: a shell where that image's scripts run."""

from __future__ import annotations

import sys

from isomer.errors import EXIT_INTERRUPTED, UserError
from launcher import engines, project, steps
from launcher.step import Step
from launcher.verbs import Parsed


def run(given: Parsed) -> None:
    image = project.check_image(given.flags.image)
    if not sys.stdin.isatty():
        raise UserError("shell needs a terminal; to run a script, use its verb or `docker compose run`")
    engine = engines.choose(given.flags)
    project.make_volume()
    engine.prepare(image)
    code = engine.run(Step(image, program="bash", network=given.flags.online))
    if code not in (0, EXIT_INTERRUPTED):  # a shell ends with its last command's code
        raise steps.StepFailed(Step(image, program="bash"), code)
