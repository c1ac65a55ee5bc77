"""A detector's first weights, from what --weights means."""

from __future__ import annotations

from typing import Any

from model import Core

from isomer.pretrained import Weights


def initialise(core: Core, weights: Weights, classes: tuple[str, ...]) -> dict[str, Any]:
    """Fill the variables that the file has values for; says how many it loaded, replaced and left out.

    Returns:
        What run.json says of it.

    Raises:
        UserError: the file cannot be read or nothing in it fits.
    """
    core.model.built = True  # its parts are, which Keras does not see from outside
    core.model.load_weights(weights.path)
    return weights.to_json()
