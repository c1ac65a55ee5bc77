"""Opens a model by its kind."""

from __future__ import annotations

from converting import checkpoint, frozen, keras_file, saved_model
from converting.original import Original
from isomer.converting import Conversion


def open_source(conversion: Conversion) -> Original:
    """The model of a conversion as a frozen graph.

    Raises:
        UserError: it cannot be opened; the sentence says why and what to do.
    """
    path, options = conversion.source.opened, conversion.options
    match conversion.source.kind:
        case "tf1-frozen":
            return frozen.open_file(path, options)
        case "saved-model":
            return saved_model.open_folder(path, options)
        case "keras":
            return keras_file.open_file(path, options)
        case "tf1-checkpoint":
            return checkpoint.open_prefix(path, options)
    raise AssertionError(conversion.source.kind)
