"""`./inv play`: a page for browsers on this machine only, in which models run."""

from __future__ import annotations

from types import ModuleType

from launcher import ports, steps
from launcher.exporting import TOOLS
from launcher.step import Step
from launcher.verbs import Parsed


def run(engine: ModuleType, given: Parsed) -> None:
    """Serve the page of the verb with the flags of isomer.flags.Play until Ctrl-C.

    Raises:
        UserError: the port is taken, or onnxruntime-web cannot be fetched.
    """
    port = given.flags.port
    ports.check_free(port)
    argv = ("play.py", *given.argv, "--host", engine.LISTEN, "--web", engine.web(TOOLS))
    try:
        steps.run(engine, Step(TOOLS, argv, device="cpu", network=True, port=port))
    except KeyboardInterrupt:
        print("\nended")
