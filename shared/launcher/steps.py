"""Running the steps of a verb: prepare the image's environment, run, and fail as the step failed."""

from __future__ import annotations

from types import ModuleType

from isomer.errors import EXIT_INTERRUPTED, UserError
from launcher import engines, project
from launcher.step import Step, StepInterrupted


class StepFailed(UserError):
    """A step ended with an exit code that is not 0; the verb ends with the same."""

    def __init__(self, step: Step, code: int) -> None:
        what = step.argv[0] if step.argv and step.program == "python" else step.program
        super().__init__(f"{what} ({step.image}) ended with exit code {code}")
        self.exit_code = code


class JobFailed(UserError):
    """A job of a chain failed; the verb ends with its exit code."""

    def __init__(self, sentence: str, code: int) -> None:
        super().__init__(sentence)
        self.exit_code = code


def run(engine: ModuleType, *steps: Step) -> None:
    """Run steps one after the other.

    Raises:
        StepFailed: a step failed; those after it are not started.
        StepInterrupted: a step was interrupted, here or at its own terminal.
    """
    for step in steps:
        engines.check_device(engine, step.device)
        if not engines.is_dry(engine):
            project.make_volume()
        engine.prepare(step.image, step.device)
        try:
            code = engine.run(step)
        except KeyboardInterrupt:
            raise StepInterrupted from None
        if code == EXIT_INTERRUPTED:
            raise StepInterrupted
        if code != 0:
            raise StepFailed(step, code)
