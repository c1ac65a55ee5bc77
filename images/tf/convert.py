"""convert, the TensorFlow part: a model made elsewhere becomes a core, or a whole graph, with native predictions."""

from __future__ import annotations

import quiet  # noqa: F401 (before tensorflow)

from isomer import converting
from isomer.errors import UserError, run_main


def main() -> None:
    conversion = converting.begin(prog="convert")
    if conversion.source.image != "tf":
        raise UserError(f"{conversion.source.origin} is opened by the image {conversion.source.image}, not by tf")

    import device
    from converting import making, opening, tflite

    device.choose("cpu")  # what is compared to 1e-4 is computed where it is most exact
    if conversion.source.kind == "tflite":
        tflite.convert(conversion)
    else:
        making.convert(conversion, opening.open_source(conversion))


if __name__ == "__main__":
    run_main(main)
