"""One conversion, from an image's side: what is to be opened, and how its results reach the run's folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from isomer import files, flags, native
from isomer.contract import Core, Whole
from isomer.converting import names, reference, source
from isomer.converting.source import Source
from isomer.dataset import canonical
from isomer.dataset.canonical import Dataset
from isomer.progress import say
from isomer.run import RunFolder, provenance
from isomer.volume import Volume


@dataclass(frozen=True)
class Conversion:
    """What a convert.py works with; `begin` makes it."""

    options: flags.Convert
    volume: Volume
    run: RunFolder
    source: Source

    def class_names(self, count: int | None, found: Sequence[str] | None = None) -> tuple[str, ...]:
        """The names of the model's classes (background not counted), said where they are only ids.

        Args:
            count: None where the model does not tell.
            found: names that the model itself holds.

        Raises:
            UserError: no classes at all, or names that do not fit.
        """
        return names.settle(self.options.classes, count, found, self.source.opened.parent, self.source.origin)

    def write_core(
        self,
        model: bytes,
        raw: native.Raw,
        nms: native.Nms,
        *,
        classes: tuple[str, ...],
        versions: dict[str, str],
        **fields: Any,
    ) -> None:
        """Write core.onnx, core.json and native predictions.

        Args:
            model: core.onnx as `isomer.contract.Core` describes it.
            raw: the ORIGINAL graph in its own framework, on uint8 pixels of any size. Boxes are fractions of the
                picture, scores in the order of `classes`.
            nms: the framework's own.
            versions: of framework and converter, for the metadata.
            fields: the other fields of Core: architecture, layout, height, width, mean, std, channels, resize.
        """
        dataset = self._reference(classes)
        core = Core(
            framework=fields.pop("framework", self.source.image),
            classes=classes,
            core_sha256=hashlib.sha256(model).hexdigest(),
            provenance=self._provenance(dataset, versions),
            **fields,
        )
        files.write_bytes(self.run.core_onnx, model)
        files.write_json(self.run.core_json, core.to_json())
        self.run.whole_onnx.unlink(missing_ok=True)
        self.run.whole_json.unlink(missing_ok=True)
        native.write(self.run, reference.split_of(dataset), raw, nms, self.source.sha256, classes)
        say(f"core of {self.run.name!r}: {self.run.core_onnx}, {len(model) / 1e6:.1f} MB")

    def write_whole(
        self,
        model: bytes,
        detect: native.Detect,
        *,
        classes: tuple[str, ...],
        versions: dict[str, str],
        **fields: Any,
    ) -> None:
        """Write whole.onnx, whole.json and native predictions.

        Args:
            detect: the ORIGINAL graph in its own framework with its own NMS, on uint8 pixels of any size. Boxes are
                fractions of the picture, class ids count from 1 in the order of `classes`.
            fields: the other fields of isomer.contract.Whole.
        """
        dataset = self._reference(classes)
        whole = Whole(
            framework=fields.pop("framework", self.source.image),
            classes=classes,
            whole_sha256=hashlib.sha256(model).hexdigest(),
            provenance=self._provenance(dataset, versions),
            **fields,
        )
        files.write_bytes(self.run.whole_onnx, model)
        files.write_json(self.run.whole_json, whole.to_json())
        self.run.core_onnx.unlink(missing_ok=True)
        self.run.core_json.unlink(missing_ok=True)
        native.write_final(self.run, reference.split_of(dataset), detect, self.source.sha256, classes)
        say(f"{self.run.name!r} keeps its own graph: {self.run.whole_onnx}, {len(model) / 1e6:.1f} MB")

    def _reference(self, classes: tuple[str, ...]) -> Dataset:
        if self.options.data:
            return canonical.load(self.volume.dataset(self.options.data))
        return reference.make(self.run, self.options.pictures, classes)

    def _provenance(self, dataset: Dataset, versions: dict[str, str]) -> dict[str, str]:
        known = {key: value for key, value in provenance(dataset).items() if isinstance(value, str)}
        return {
            "run": self.run.name,
            **known,
            "weights_sha256": self.source.sha256,
            "source": self.source.origin,
            "source_kind": self.source.kind,
            "source_sha256": self.source.sha256,
            **versions,
        }


def begin(argv: list[str] | None = None, prog: str = "convert") -> Conversion:
    """The conversion that the command line asks for, after identification has written its source.json.

    Raises:
        UserError: it has not, or the model has changed since.
    """
    options = flags.parse(flags.Convert, argv, prog)
    volume = Volume.from_environment()
    run = RunFolder(volume.run(options.name))
    return Conversion(options, volume, run, source.read(run))
