"""`./inv build`: the images, or in the venv engine the environments."""

from __future__ import annotations

from launcher import engines, project
from launcher.verbs import Parsed


def run(given: Parsed) -> None:
    names = project.chosen("image", given.flags.image, project.images())
    engine = engines.choose(given.flags)
    for name in names:
        engine.build(name)
        print(f"{name}: {engine.describe(name)}", flush=True)
