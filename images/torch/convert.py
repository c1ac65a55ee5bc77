"""convert, this image's half: a checkpoint or a TorchScript model to core.onnx, core.json and native predictions."""

from __future__ import annotations

import passive  # noqa: F401 (before torch)

from isomer.converting import begin
from isomer.errors import run_main


def main() -> None:
    conversion = begin()

    from converting import from_checkpoint  # torch takes seconds to import: only where there is something to do

    from_checkpoint.convert(conversion)


if __name__ == "__main__":
    run_main(main)
