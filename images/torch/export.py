"""export-torch, this image's half: core.onnx, core.json and native predictions of a finished run."""

from __future__ import annotations

import warnings
from pathlib import Path

import onnx
import torch
import torchvision
from inference import choose_device, detections, load
from model import ARCHITECTURE, MEAN, STD, Core

from isomer import contract, files, native
from isomer.errors import CheckFailed, run_main
from isomer.flags import Export, parse
from isomer.progress import say
from isomer.training import export_provenance, trained

TRACED_BATCH = 2  # the exporter takes an axis of one for a constant


def main() -> None:
    options = parse(Export, prog="export-torch")
    device = choose_device(options.device)
    run, dataset = trained(options, "torch")
    test = dataset.split("test")
    # the gate asks for 1e-4; TF32 keeps three digits
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    inference = load(run, dataset, device)
    with files.replacing(run.core_onnx) as temporary:
        write_onnx(inference.core, inference.size, temporary)
        check(temporary, inference.size)
    origin = export_provenance(run, framework_version=torch.__version__, torchvision_version=torchvision.__version__)
    core = contract.Core(
        framework="torch",
        architecture=ARCHITECTURE,
        layout="NCHW",
        size=inference.size,
        mean=MEAN,
        std=STD,
        classes=dataset.classes,
        core_sha256=files.sha256_of_file(run.core_onnx),
        provenance=origin,
    )
    files.write_json(run.core_json, core.to_json())
    say(f"{run.core_onnx}: {run.core_onnx.stat().st_size / 1e6:.1f} MB")
    native.write(run, test, inference.raw, detections, run.record()["weights_sha256"])


def write_onnx(core: Core, size: int, path: Path) -> None:
    """Export the core with a dynamic batch; float32, in evaluation mode, on the CPU, in one file."""
    core = core.to("cpu", torch.float32).eval()
    images = torch.zeros(TRACED_BATCH, 3, size, size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            core,
            (images,),
            dynamo=True,
            opset_version=contract.OPSET,
            input_names=[contract.CORE_INPUT],
            output_names=["boxes", "scores"],
            dynamic_shapes={"images": {0: torch.export.Dim("batch", min=1)}},
            verbose=False,
        )
    model = program.model_proto
    # The exporter always writes IR version 10. What 9 and 10 added are other number types, overloads and metadata of
    # nodes (here: Python stack traces): without those the file is one of version 8.
    model.ir_version = contract.IR_VERSION
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.initializer, model.graph):
        part.ClearField("metadata_props")
    onnx.save(model, path)


def check(path: Path, size: int) -> None:
    """Look at what was written: the exporter may write something else than was asked for, with only a warning."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    opsets = {entry.domain: entry.version for entry in model.opset_import if entry.version}
    outside = sorted({node.domain for node in model.graph.node} - {"", "ai.onnx"})
    (images,) = model.graph.input
    shape = [dimension.dim_param or dimension.dim_value for dimension in images.type.tensor_type.shape.dim]
    wrong = {
        f"opset {opsets.get('')}, not {contract.OPSET}": opsets.get("") != contract.OPSET,
        f"IR version {model.ir_version}, not {contract.IR_VERSION}": model.ir_version != contract.IR_VERSION,
        f"operators of {outside}": outside,
        f"a frozen batch of {shape[0]}": not isinstance(shape[0], str),
        f"input shape {shape[1:]}": shape[1:] != [3, size, size],
        "weights in another file": any(weight.external_data for weight in model.graph.initializer),
    }
    found = [what for what, holds in wrong.items() if holds]
    if found:
        raise CheckFailed(f"torch.onnx.export wrote {', '.join(found)}: another torch version than the lock's?")


if __name__ == "__main__":
    run_main(main)
