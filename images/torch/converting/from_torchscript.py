"""A TorchScript model to its core: by its weights, where they are those of a known network, else by its outputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from inference import detections
from torch.jit import ScriptModule

from converting import from_checkpoint, networks, script_export, scripts
from converting.checkpoint import Weights
from converting.networks import Found
from converting.scripts import Script
from isomer.contract import CORE_INPUT, Preprocessing
from isomer.converting import Conversion, asked, layouts, normalising, raw_outputs, reference, resizing
from isomer.converting.seen import PICTURES, Seen
from isomer.converting.usual import TO_ONE, Usual, of_layout
from isomer.errors import UserError
from isomer.flags import Convert
from isomer.graph.decoders import Layout
from isomer.progress import say

CLOSE = 1e-4


def convert(conversion: Conversion) -> None:
    """Write the core and the native predictions of what the source holds.

    Raises:
        UserError: it takes no pictures, or none of the usual sizes; its outputs are not understood.
        CheckFailed: it does not run, was traced in training mode, or cannot be written as ONNX.
    """
    source, options = conversion.source, conversion.options
    module, told = scripts.load(source.opened)
    scripts.refuse_training(module, source.origin)
    found = _known(conversion, module)
    takes_tensor = scripts.takes_tensor(module)
    if found and (not takes_tensor or _computes_the_same(module, found)):
        say("a TorchScript model of a known network: its weights are taken, and its own resizing and NMS left")
        from_checkpoint.write(conversion, found)
        return
    if not takes_tensor:
        raise UserError(
            f"{source.origin} takes {scripts.taken(module)}, not a batch of pictures as one tensor: script the network "
            "without the part that resizes pictures, or save its state dict"
        )
    script = scripts.settle(module, told, asked.size(options), source.origin)
    how = _prepared(script, TO_ONE, options)
    pictures = reference.some_pictures(conversion.volume, options, PICTURES)
    seen = script.look([resizing.prepare(picture, how)[0] for picture in pictures])
    layout = _layout(conversion, script, seen)
    _write(conversion, script, layout)


def _known(conversion: Conversion, module: ScriptModule) -> Found | None:
    """The network whose tensors have these names and shapes."""
    state = {key: tensor.detach() for key, tensor in module.state_dict().items()}
    try:
        return networks.recognise([Weights(state)], conversion.source.opened) if state else None
    except UserError:
        return None


@torch.no_grad()
def _computes_the_same(module: ScriptModule, found: Found) -> bool:
    """Whether the module's two outputs are those of the network, before or after its decoding."""
    size = found.network.size
    height, width = (size, size) if isinstance(size, int) else size
    images = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    detector = found.detector(size)
    logits, deltas = detector(images)
    boxes, scores = detector.decode((logits, deltas))
    try:
        outputs = scripts.tensors(module(images))
    except RuntimeError:
        return False
    ours = (logits, deltas, boxes, scores, logits.softmax(dim=-1))
    same = [
        any(one.shape == other.shape and torch.allclose(one, other, atol=CLOSE) for other in ours) for one in outputs
    ]
    return len(same) == 2 and all(same)


def _layout(conversion: Conversion, script: Script, seen: dict[str, Seen]) -> Layout:
    """What the outputs mean.

    Raises:
        UserError: nothing known; what was seen is said.
    """
    options = conversion.options
    given = asked.roles(options, seen)
    chosen = seen if given.keys() <= set(asked.ROLES) else {name: seen[name] for name in given.values()}
    count = len(script.names) if script.names else None
    if options.classes not in (None, "coco", "voc"):
        count = len(conversion.class_names(None))
    found = layouts.of_all(
        chosen,
        given,
        script.height,
        script.width,
        count,
        decoder=options.decoder,
        order=options.box_order,
        producer="torch",
    )
    if isinstance(found, Layout):
        return found
    words = "; ".join(one.in_words() for one in seen.values())
    raise UserError(
        f"{found or 'its outputs are not those of a known detector before its NMS'}. Seen for pictures of "
        f"{script.height}×{script.width}: {words}. Declare them: --outputs boxes=NAME,scores=NAME, --box-order, or "
        "--decoder for one raw output; or export it to ONNX where it was made, and convert that"
    )


def _prepared(script: Script, usual: Usual, options: Convert) -> Preprocessing:
    """How pictures are prepared: as is usual, or as the flags say."""
    fields = {name: getattr(usual, name) for name in ("mean", "std", "channels", "resize")}
    how = Preprocessing(layout="NCHW", height=script.height, width=script.width, **fields)
    return asked.preprocessing(options, how)


def _write(conversion: Conversion, script: Script, layout: Layout) -> None:
    core = script_export.core(script, layout)
    usual, inside = of_layout(layout), normalising.inside(core, CORE_INPUT)
    usual = replace(usual, mean=inside.mean, std=inside.std) if inside else usual
    how = _prepared(script, usual, conversion.options)
    names = script.names if script.names and len(script.names) == layout.classes else None
    classes = conversion.class_names(layout.classes, names)
    say(f"outputs {', '.join(layout.outputs)}: boxes as {layout.boxes} in {layout.unit}s, {layout.classes} classes")
    words = Usual(how.mean, how.std, how.channels, how.resize).words()
    say(f"pictures are given as {words}: --mean, --std, --input-channels and --resize say otherwise")

    def raw(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        all_boxes, all_scores = [], []
        for picture in pixels:
            values, placed = resizing.prepare(picture, how)
            outputs = script.outputs(values)
            boxes, scores = raw_outputs.decode(
                layout, [outputs[name] for name in layout.outputs], script.height, script.width
            )
            all_boxes.append(placed.boxes_in_picture(boxes[0]))
            all_scores.append(scores[0])
        return np.stack(all_boxes), np.stack(all_scores)

    conversion.write_core(
        core.SerializeToString(deterministic=True),
        raw,
        detections,
        classes=classes,
        versions={"framework_version": torch.__version__},
        architecture=f"TorchScript ({layout.boxes})",
        **{name: getattr(how, name) for name in ("layout", "height", "width", "mean", "std", "channels", "resize")},
    )
