"""`./inv tensorboard`: the curves of all runs, for browsers on this machine only."""

from __future__ import annotations

import re
from types import ModuleType

from isomer.errors import UserError
from launcher import engines, ports, project, steps
from launcher.step import Step
from launcher.verbs import Parsed

PROGRAM = "tensorboard"


def run(given: Parsed) -> None:
    port = given.flags.port
    ports.check_free(port)
    runs = project.make_volume().runs
    runs.mkdir(exist_ok=True)
    engine = engines.choose(given.flags)
    argv = ("--logdir", runs, "--port", str(port), "--host", engine.LISTEN, "--reload_multifile", "true")
    print(f"http://localhost:{port}/ shows the curves of all runs; Ctrl-C ends it", flush=True)
    try:
        steps.run(engine, Step(_image(engine), argv, network=True, program=PROGRAM, port=port))
    except KeyboardInterrupt:
        print("\nended")


def _image(engine: ModuleType) -> str:
    """An image that asks for TensorBoard by name, rather one that is made already.

    TensorFlow brings a TensorBoard along that does not start where setuptools is as new as the locked one.
    """
    having = [
        name
        for name in project.images()
        if re.search(rf"^{PROGRAM}==", (project.IMAGES / name / project.WANTED).read_text(), re.MULTILINE)
    ]
    if not having:
        raise UserError(f"no image's requirements.in has {PROGRAM}")
    return next(filter(engine.is_ready, having), having[0])
