"""`./inv notebook IMAGE`: an image's guide as a notebook, for browsers on this machine only."""

from __future__ import annotations

from pathlib import Path

from launcher import engines, ports, project, steps
from launcher.engines import venv
from launcher.step import Step
from launcher.verbs import Parsed

FOLDER = project.ROOT / "docs" / "notebooks"
LOCK = FOLDER / "requirements.lock"


def run(given: Parsed) -> None:
    image, port = project.check_image(given.flags.image), given.flags.port
    ports.check_free(port)
    engine = engines.choose(given.flags)
    environment = venv.tool("notebook", LOCK)
    argv = ("-m", "isomer.notebooks", "serve", environment, image, source(image))
    argv = (*argv, f"--ip={engine.LISTEN}", f"--port={port}")
    print(f"opens http://localhost:{port}/lab with the token that Jupyter shows; Ctrl-C ends it", flush=True)
    try:
        steps.run(engine, Step(image, argv, program="python3", network=True, port=port))
    except KeyboardInterrupt:
        print("\nended")


def source(image: str) -> Path:
    """The notebook's text: one for all images that train, one for the tools."""
    return FOLDER / ("training.md" if image in project.frameworks() else f"{image}.md")
