"""convert, this image's half: a checkpoint or a TorchScript model to core.onnx, core.json and native predictions."""

from __future__ import annotations

import passive  # noqa: F401 (before torch)

from isomer.converting import begin
from isomer.errors import run_main


def main() -> None:
    conversion = begin()

    from converting import from_checkpoint, from_torchscript  # torch takes seconds to import

    (from_torchscript if conversion.source.kind == "torchscript" else from_checkpoint).convert(conversion)


if __name__ == "__main__":
    run_main(main)
