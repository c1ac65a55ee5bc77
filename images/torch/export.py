"""export-torch, this image's half: core.onnx, core.json and native predictions of a finished run."""

from __future__ import annotations

import passive  # noqa: F401 (before torch)

from isomer import contract, files, native
from isomer.errors import run_main
from isomer.flags import Export, parse
from isomer.progress import say
from isomer.training import export_provenance, trained


def main() -> None:
    options = parse(Export, prog="export-torch")
    run, dataset = trained(options, "torch")
    test = dataset.split("test")

    import device  # torch takes seconds to import: only where there is something to do
    import onnx_export
    import torch
    import torchvision
    from inference import detections, load

    # the gate asks for 1e-4; TF32 keeps three digits
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    inference = load(run, dataset, device.choose(options.device), options.size)
    say(f"export {run.name}")
    with files.replacing(run.core_onnx) as temporary:
        onnx_export.write(inference.core, temporary)
    core = contract.Core(
        framework="torch",
        architecture=inference.detector.name,
        layout="NCHW",
        height=inference.size,
        width=inference.size,
        mean=inference.detector.mean,
        std=inference.detector.std,
        classes=dataset.classes,
        core_sha256=files.sha256_of_file(run.core_onnx),
        provenance=export_provenance(run, framework_version=torch.__version__, torchvision=torchvision.__version__),
    )
    files.write_json(run.core_json, core.to_json())
    native.write(run, test, inference.raw, detections, run.record()["weights_sha256"])
    say(f"core of run {run.name!r}: {run.core_onnx}, {run.core_onnx.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    run_main(main)
