"""What a file, of whatever origin, would do under a client that follows a profile: line by line, by being that client.

The dangerous ones are the files that run and find nothing: outputs in another order, ids that count from 0, pixels
where fractions are read, red and blue mixed up.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import oldest
import onnx
from matching import iou
from session import open_session, run

from isomer import contract
from isomer.errors import CheckFailed
from isomer.graph.check import metadata
from isomer.profiles import Profile

SILENT = "runs, but silently finds nothing"
WORSE = "runs, but silently finds less"
STOPS = "stops"
NOTHING = "has nothing to draw"  # which may be right: drawn pictures hold no persons
DOUBLE_IOU = 0.9  # two boxes of a class that overlap more are one object twice
NOISE_SCORE = 0.05  # nobody wants to see detections below it


@dataclass(frozen=True)
class Line:
    """One line of the account. `harm` is what it means to the client, empty where all is well."""

    what: str
    harm: str = ""
    cure: str = ""

    def __str__(self) -> str:
        if not self.harm:
            return f"  ✓ {self.what}"
        return f"  ✗ {self.what}: the client {self.harm}" + (f". {self.cure}" if self.cure else "")


def follow(model: onnx.ModelProto, profile: Profile, pictures: list[np.ndarray]) -> list[Line]:
    """The account.

    Args:
        pictures: uint8 [height, width, 3], RGB, of any size; they are cropped or repeated to the client's frames.
    """
    lines = [*_versions(model, profile), *_input(model, profile)]
    outputs: list[list[np.ndarray]] = []
    for frame in profile.frames:
        line, found = _run(model, profile, frame, pictures)
        lines.append(line)
        outputs += found
    if outputs:
        lines += _outputs(profile, [item.name for item in model.graph.output], outputs)
    return [*lines, *_classes(model, profile)]


def _versions(model: onnx.ModelProto, profile: Profile) -> Iterator[Line]:
    if profile.onnxruntime is None:
        return
    opset = max((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), default=0)
    what = f"IR version {model.ir_version}, opset {opset}, for its ONNX Runtime {profile.onnxruntime}"
    if model.ir_version > contract.IR_VERSION or opset > contract.OPSET:
        cure = f"convert lowers it to IR version {contract.IR_VERSION} and opset {contract.OPSET}"
        yield Line(what, f"{STOPS}: that version refuses newer files", cure)
        return
    yield Line(what)


def _input(model: onnx.ModelProto, profile: Profile) -> Iterator[Line]:
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in weights]
    if len(inputs) != 1:
        yield Line(f"{len(inputs)} inputs", f"{STOPS}: it feeds one", "convert")
        return
    kind = onnx.helper.tensor_dtype_to_np_dtype(inputs[0].type.tensor_type.elem_type).name
    what = f"input {inputs[0].name!r} of {kind}"
    if kind != profile.type:
        yield Line(what, f"{STOPS}: it feeds {profile.type}", "convert puts the normalisation inside")
    else:
        yield Line(what)
    said = metadata(model).get("channels")
    what = f"channels {said.upper() if said else 'not said in the file'}, it feeds {profile.channels.upper()}"
    if said and said != profile.channels:
        yield Line(what, f"{WORSE}: red and blue are swapped", f"export or convert with --profile {profile.name}")
    elif said:
        yield Line(what)
    else:
        yield Line(
            what, "may find less, if red and blue are swapped", "convert --input-channels says it inside the file"
        )


def _run(
    model: onnx.ModelProto, profile: Profile, frame: tuple[int, int], pictures: list[np.ndarray]
) -> tuple[Line, list[list[np.ndarray]]]:
    """Frames of one size through the model, under the client's ONNX Runtime where it is the oldest one."""
    height, width = frame
    what = f"frames of {width}x{height}"
    if not model.graph.input:
        return Line(what, STOPS), []
    name = model.graph.input[0].name
    batches = [{name: _frame(picture, height, width, profile)} for picture in pictures]
    try:
        if profile.onnxruntime is None:
            session = open_session(model)
            return Line(what), [run(session, **batch) for batch in batches]
        names = [item.name for item in model.graph.output]
        version, found = oldest.run(model, batches)
        return Line(f"{what} run under ONNX Runtime {version}"), [[each[key] for key in names] for each in found]
    except CheckFailed as error:
        return Line(what, f"{STOPS}: {error}", "convert lets it take any frame"), []


def _frame(picture: np.ndarray, height: int, width: int, profile: Profile) -> np.ndarray:
    """A picture as the client's frame [1, height, width, 3]: repeated where it is too small, then cropped."""
    rows, columns = -(-height // picture.shape[0]), -(-width // picture.shape[1])
    pixels = np.tile(picture, (rows, columns, 1))[:height, :width]
    return np.ascontiguousarray(pixels[None, ..., ::-1] if profile.channels == "bgr" else pixels[None])


def _outputs(profile: Profile, names: list[str], results: list[list[np.ndarray]]) -> Iterator[Line]:
    """What the client makes of the outputs, as it takes them."""
    if len(names) < len(profile.outputs):
        yield Line(f"{len(names)} outputs ({', '.join(names)})", f"{STOPS}: it takes {len(profile.outputs)}", "convert")
        return
    if profile.by_position:
        taken = list(range(len(profile.outputs)))
        wrong = [
            f"{names[index]} as {wanted}" for index, wanted in enumerate(profile.outputs) if names[index] != wanted
        ]
        if wrong:
            yield Line(f"outputs by position: it takes {', '.join(wrong)}", SILENT, "convert puts them in order")
    else:
        missing = [wanted for wanted in profile.outputs if wanted not in names]
        if missing:
            yield Line(f"no output {', '.join(missing)}", f"{STOPS}: it asks for them by name", "convert names them")
            return
        taken = [names.index(wanted) for wanted in profile.outputs]
    found = [[each[index] for index in taken] for each in results]
    shapes = [list(value.shape) for value in found[0]]
    fits = (
        len(shapes[0]) == 3
        and shapes[0][2] == 4
        and shapes[1] == shapes[2] == shapes[0][:2]
        and shapes[3] in ([1], [] if not profile.count_is_list else [1])
    )
    what = f"shapes {', '.join(map(str, shapes))}"
    if not fits:
        scalar = shapes[3] == [] and profile.count_is_list
        harm = f"{STOPS}: it reads num_detections[0] of a list" if scalar else f"{STOPS}, or draws what means nothing"
        yield Line(what, harm, "convert gives [1, K, 4], [1, K], [1, K] and [1]")
        return
    yield Line(what)
    yield from _values(profile, found)


def _values(profile: Profile, found: list[list[np.ndarray]]) -> Iterator[Line]:
    rows = [slice(int(count[0])) for *_, count in found]
    boxes, ids, scores = (
        [values[index][0][row].astype(np.float64) for values, row in zip(found, rows, strict=True)]
        for index in range(3)
    )
    total = sum(map(len, scores))
    if not total:
        yield Line(f"nothing is reported in {len(found)} frames", NOTHING, "Try pictures with what it shall find")
        return
    what = f"{total} detections in {len(found)} frames"
    every_box, every_id, every_score = (np.concatenate(values) for values in (boxes, ids, scores))
    if every_box.max() > 1.5:
        yield Line(
            f"{what}, boxes up to {every_box.max():.0f}", f"{SILENT}: it reads fractions of the frame", "convert"
        )
    elif (every_box[:, 2:] < every_box[:, :2]).any():
        yield Line(f"{what}, boxes that end before they begin", f"{SILENT}: not ymin, xmin, ymax, xmax", "convert")
    else:
        yield Line(f"{what}, boxes are fractions of the frame")
    if every_score.max() > 1 or every_score.min() < 0:
        span = f"scores from {every_score.min():.2g} to {every_score.max():.2g}"
        yield Line(span, "takes them for probabilities", "convert")
    elif profile.threshold <= every_score.min() < NOISE_SCORE:
        few = f"scores down to {every_score.min():.2g}"
        yield Line(few, "draws all of them: it has no threshold", "export with --score-threshold")
    else:
        yield Line(f"scores from {every_score.min():.2f} to {every_score.max():.2f}")
    if not profile.nms:
        doubles = sum(_doubles(*values) for values in zip(boxes, ids, strict=True))
        if doubles:
            yield Line(f"{doubles} detections are of one object twice", "draws them all: it does no NMS", "convert")
        else:
            yield Line("no object is reported twice")
    if every_id.min() < 1:
        yield Line(f"class ids from {every_id.min():.0f}", f"{SILENT}: it counts from 1", "convert")


def _classes(model: onnx.ModelProto, profile: Profile) -> Iterator[Line]:
    """Whether an id means to the model what it means to the client."""
    said = metadata(model).get("classes")
    names = json.loads(said) if said else []
    for number, wanted in profile.classes.items():
        if not names:
            yield Line(
                f"class {number} not named in the file",
                f"takes it for {wanted!r}",
                "convert --classes names the classes",
            )
        elif number > len(names) or names[number - 1].casefold() != wanted.casefold():
            have = names[number - 1] if number <= len(names) else "nothing"
            order = f"--class-order with {wanted} as number {number}" if wanted in names else "another model"
            yield Line(f"class {number} is {have!r}", f"{SILENT}: it takes it for {wanted!r}", f"It needs {order}")
        else:
            yield Line(f"class {number} is {names[number - 1]!r}")


def _doubles(boxes: np.ndarray, ids: np.ndarray) -> int:
    return sum(
        bool(((iou(boxes[index], boxes[:index]) > DOUBLE_IOU) & (ids[:index] == ids[index])).any())
        for index in range(len(boxes))
    )
