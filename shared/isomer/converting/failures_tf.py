"""What tf2onnx and TensorFlow say when a model does not convert."""

from __future__ import annotations

from isomer.converting.failures import Failure

TABLE: tuple[Failure, ...] = (
    Failure(
        r"make_sure failure: Opset (?P<opset>\d+) is not supported yet",
        "this tf2onnx does not write opset {opset}",
        "A lower one, from 13 on, it does",
        climbs=True,
        says=("make_sure failure: Opset 99 is not supported yet",),
    ),
    Failure(
        r"get tensor value.*?must be Const|requires opset (?:>= )?\d+|opset (?:>= )?\d+ (?:is )?(?:required|needed)",
        "an operator's argument is computed by the graph, and this opset wants a constant there: the opset is too low",
        "A higher opset takes it as an input",
        climbs=True,
        says=("get tensor value: strided_slice/stack__12 must be Const",),
    ),
    Failure(
        r"Tensorflow op \[(?P<node>[^\]]+): (?P<operator>\w+)\] is not supported",
        "this opset has nothing to write TensorFlow's operator {operator} with (node {node})",
        "A higher opset may have it (CombinedNonMaxSuppression: 12); else cut the model before that node with "
        "--outputs, or export it without",
        climbs=True,
        says=("Tensorflow op [nms/CombinedNonMaxSuppression: CombinedNonMaxSuppression] is not supported",),
    ),
    Failure(
        r"make_sure failure: Cannot find node with output '?(?P<name>[^'\s]+)",
        "a part of the graph was dropped because an operator before {name} could not be written in this opset",
        "A higher opset has that operator",
        climbs=True,
        says=("make_sure failure: Cannot find node with output 'detection_boxes:0' in graph 'tf2onnx'",),
    ),
    Failure(
        r"(?P<which>input|output)_names needs to be provided",
        "a graph does not say by itself which its {which}s are, and none were named",
        "Name them with --{which}s; those of a graph are the placeholders, and what nothing else takes",
        says=(
            "input_names needs to be provided",
            "output_names needs to be provided",
        ),
    ),
    Failure(
        r"(?P<name>\S+) is not in graph",
        "there is no tensor {name} in the graph",
        "Leave --inputs and --outputs out, and those that the graph has are shown",
        says=("detection_boxes:0 is not in graph",),
    ),
    Failure(
        r"Input (?P<name>\S+) is undefined",
        "a node takes {name}, which nothing in the graph makes: it was cut in its middle, or what makes it was dropped",
        "Export the model again with all its inputs and outputs, at opset 13 or higher",
        says=("Input Preprocessor/sub:0 is undefined!",),
    ),
    Failure(
        r"^'?keras_tensor(?:_\d+)?'?$|has no attribute '(?:output_names|input_names|_get_save_spec)'|KerasTensor",
        "it is a model of Keras 3, which tf2onnx's from_keras does not know",
        "Give the file itself (.keras, .h5), or a SavedModel of model.export(folder): they are converted as functions",
        says=(
            "'keras_tensor_1'",
            "'Sequential' object has no attribute 'output_names'",
            "'Functional' object has no attribute '_get_save_spec'",
        ),
    ),
)
