"""Every flag a script takes, once: typed dataclasses that give defaults, help and errors. Standard library only.

A script parses its own dataclass (`parse(Train)`); tasks.py makes the verbs' flags from the same dataclasses,
and the launcher hands them on (`to_argv`). `None` as a default means: not given, and the help says what then.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import sys
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from isomer.answers import STDOUT
from isomer.contract import Thresholds
from isomer.profiles import NAMES as PROFILES

T = TypeVar("T")

EXAMPLES = "Examples:"  # stands in a dataclass's docstring above command lines

DOWNLOADED = ("coco", "openimages", "pennfudan")  # what data-download knows by name
SMALL_SIZE = 160  # pixels: what a laptop's CPU trains in minutes
SIZES = (96, 2048)  # pixels, of a model's input
SCHEDULES = ("cosine", "step", "constant")
AUGMENTS = ("none", "light", "ssd")
CACHES = ("auto", "memory", "none")
PRECISIONS = ("fp32", "fp16", "int8")
SPLITS = ("train", "val", "test")
LOGGERS = ("tensorboard", "mlflow", "none")
KINDS = ("coco", "imagenet")  # of published weights: of a whole detector, of its backbone
WEIGHTS = (*KINDS, "none")  # what --weights may say beside a file and a run
DECODERS = ("none", "ssd", "yolov5", "yolov8", "yolox", "nanodet")  # of isomer.graph.decoders
BOX_ORDERS = ("yxyx", "xyxy", "xywh", "cxcywh")
RESIZES = ("stretch", "letterbox", "letterbox-top-left")
FOUND_FORMATS = ("json", "coco", "csv")  # of what infer found
EXPORTED = ("coco", "labelme", "openimages", "tfrecord", "voc", "yolo")  # the modules of isomer.dataset.exports


def flag(
    default: Any,
    help: str,  # noqa: A002 (the word argparse and invoke use)
    *,
    choices: tuple[str, ...] | None = None,
    least: float | None = None,
    most: float | None = None,
    positional: bool = False,
    repeatable: bool = False,
    output: bool = False,
    name_or_path: bool = False,
    among: bool = False,
    words: tuple[str, ...] = (),
    free: bool = False,
    alone: str | None = None,
    heading: str | None = None,
) -> Any:
    """A dataclass field that is a flag.

    Args:
        least: the smallest value that is allowed.
        most: the largest.
        repeatable: makes a tuple of all that is given.
        output: the path is written, not read.
        among: a path that is read with what lies beside it.
        name_or_path: a word that names a dataset or a run, or a path where there is none of that name.
        words: what it may also be, and is then no path, whatever lies there.
        alone: what it is where no value follows it.
        free: changes how fast a run goes or what is said of it, not what comes out: it may differ on resuming.
        heading: stands in the help above this flag and those after it.
    """
    metadata = {
        "help": help,
        "choices": choices,
        "least": least,
        "most": most,
        "positional": positional,
        "repeatable": repeatable,
        "output": output,
        "name_or_path": name_or_path,
        "among": among,
        "words": words,
        "free": free,
        "alone": alone,
        "heading": heading,
    }
    return field(default=default, metadata=metadata)


def required(help: str, **options: Any) -> Any:  # noqa: A002
    """A flag that must be given."""
    return flag(dataclasses.MISSING, help, **options)


@dataclass(frozen=True)
class Data:
    data: str = flag("shapes", "dataset in the data volume")


@dataclass(frozen=True)
class Device:
    device: str = flag(
        "auto", "what computes; auto takes a GPU where there is one", choices=("auto", "cpu", "gpu"), free=True
    )


@dataclass(frozen=True, kw_only=True)
class Json:
    json: Path | None = flag(
        None,
        "the result as JSON, for programs: in the file that follows, else alone on standard output",
        output=True,
        words=(str(STDOUT),),
        alone=str(STDOUT),
    )


@dataclass(frozen=True)
class Run:
    run: str | None = flag(None, "run folder [default: DATA-FRAMEWORK]", free=True)


@dataclass(frozen=True)
class DataMake:
    """Make a dataset of drawn shapes on textured backgrounds: the same pictures from the same seed.

    Examples:
        ./inv data-make shapes
        ./inv data-make shapes --name small --train 100 --val 20 --test 20
    """

    kind: str = flag("shapes", "what to draw", choices=("shapes",), positional=True)
    name: str | None = flag(None, "name of the dataset [default: the kind]")
    train: int = flag(600, "training pictures", least=1)
    val: int = flag(60, "validation pictures", least=1)
    test: int = flag(120, "test pictures", least=1)
    seed: int = flag(0, "the same seed draws the same pictures", least=0)


@dataclass(frozen=True)
class DataImport:
    """Bring labelled pictures into the data volume as a canonical dataset.

    Examples:
        ./inv data-import photos.zip --name birds
        ./inv data-import photos.zip --name birds --classes gull=bird,tern=bird --split 0.8,0.1,0.1
    """

    path: Path = required("folder, archive (zip, tar) or annotation file", positional=True)
    name: str = required("name of the new dataset")
    format: str | None = flag(None, "format of the annotations [default: detected, and said]")
    classes: str | None = flag(None, "classes to keep, with commas; old=new renames or merges, * is all others")
    min_area: float = flag(0.0, "leave out boxes smaller than so many square pixels", least=0)
    limit: int | None = flag(None, "at most so many pictures, of each split its share", least=1)
    split: str | None = flag(None, "shares of train,val,test [default: the source's own splits, else 0.8,0.1,0.1]")
    seed: int = flag(0, "the same seed splits, and limits, the same way", least=0)
    link: bool = flag(False, "hard links instead of copies where the file system can")


@dataclass(frozen=True)
class DataDownload:
    """Fetch labelled pictures and import them: of a public dataset those of some classes, or the archive at an address.

    What is fetched is kept; the same command again goes on where it stopped.

    Examples:
        ./inv data-download --source openimages --classes Person,Tiger --limit 500 --name tigers
    """

    source: str | None = flag(None, "public dataset", choices=DOWNLOADED)
    url: str | None = flag(None, "address of an archive (zip, tar), instead of --source")
    name: str | None = flag(None, "name of the new dataset [default: that of --source]")
    classes: str | None = flag(None, "classes to take, with commas; old=new renames or merges, * is all others")
    split: str | None = flag(
        None, "the source's splits to take, with commas [default: all], or shares as of data-import"
    )
    limit: int | None = flag(None, "at most so many pictures, of each class as many as of the others", least=1)
    seed: int = flag(0, "the same seed splits the same way", least=0)
    format: str | None = flag(None, "format of the archive's annotations [default: detected, and said]")
    sha256: str | None = flag(None, "SHA-256 that the archive must have")
    jobs: int = flag(16, "pictures fetched at a time", least=1, most=64)
    mirror: str | None = flag(None, "address of a copy of the hosts, asked for MIRROR/HOST/PATH instead")


@dataclass(frozen=True)
class Train(Device, Run, Data):
    """Train a detector; the same command again goes on where it stopped.

    A flag beats --config, which beats the defaults. What is None by default is settled before the run starts, by the
    recipe of the model or by what has been fetched, and config.json holds what was settled on.

    Examples:
        ./inv VERB --data shapes
        ./inv VERB --data shapes --weights coco --freeze backbone --epochs 20
        ./inv VERB --run shapes-20 --data shapes --resume
    """

    model: str | None = flag(
        None, "architecture, see the verb models [default: the framework's SSD for mobiles]", heading="model"
    )
    weights: str | None = flag(
        None,
        "where the weights come from: coco, imagenet, none, a file, or a run"
        " [default: coco where the verb weights has fetched them, else none]",
        name_or_path=True,
        words=WEIGHTS,
    )
    # weights that were trained at another size know objects of that size
    size: int | None = flag(
        None,
        "height and width of the model's input, pixels"
        f" [default: {SMALL_SIZE}; with pretrained weights the model's own]",
        least=SIZES[0],
        most=SIZES[1],
    )
    epochs: int = flag(10, "times through the training pictures", least=1, heading="length")
    steps: int | None = flag(None, "steps (updates of the weights), instead of --epochs", least=1)
    batch: int = flag(16, "pictures per step, over all devices and nodes together", least=1)
    lr: float | None = flag(None, "peak learning rate [default: the model's recipe]", least=0, heading="optimizer")
    # cosine: reaches its best at the last step whatever the length; the others are for repeating published recipes
    schedule: str = flag("cosine", "how the learning rate falls after the warm-up", choices=SCHEDULES)
    warmup: float | None = flag(None, "share of the steps in which it rises [default: the recipe's]", least=0, most=0.9)
    weight_decay: float | None = flag(None, "decay of the weights [default: the recipe's]", least=0)
    # off: short runs end better without, long ones (from about 2,000 steps) with 0.999
    ema: float = flag(
        0.0, "decay of the moving average of the weights that is evaluated; 0: none", least=0, most=0.99999
    )
    freeze: str | None = flag(
        None, "what stays as it was loaded: backbone, its first N stages, or all batch norms (norms) [default: nothing]"
    )
    # light: what is right for every camera. ssd's crops want long runs: they hurt those of a few hundred steps.
    augment: str = flag(
        "light", "light: mirrored, other light; ssd: also zoomed out and cropped", choices=AUGMENTS, heading="pictures"
    )
    balance: bool = flag(False, "show pictures of rare classes more often (repeat factor sampling)")
    amp: bool = flag(
        False, "mixed precision: bfloat16, or float16 on GPUs that have no other", heading="speed and memory"
    )
    accumulate: int = flag(1, "batches per step whose gradients are summed up: saves memory", least=1)
    workers: int = flag(2, "processes (tf: threads) that read pictures, on every device", least=0, free=True)
    cache: str = flag(
        "auto", "decoded pictures are kept in memory, if they fit (auto) or always", choices=CACHES, free=True
    )
    seed: int = flag(0, "seed of weights, data order and augmentation", least=0, heading="repeating")
    deterministic: bool = flag(False, "only operations that give the same bits each time; slower on GPUs")
    early_stop: int | None = flag(
        None, "stop after so many evaluations without a better mAP", least=1, heading="evaluations and checkpoints"
    )
    eval_every: float | None = flag(None, "epochs between evaluations [default: four in all]", least=0.01)
    keep: int = flag(1, "checkpoints kept besides the best; more are for going back by hand", least=1, free=True)
    resume: bool = flag(
        False,
        "go on with the run as its config.json has it; an error where there is no such run",
        free=True,
        heading="going on",
    )
    fresh: bool = flag(False, "throw the run's folder away and start anew", free=True)
    devices: int | None = flag(
        None, "GPUs, or with --device cpu processes, on each node [default: 1]", least=1, heading="several devices"
    )
    nodes: int = flag(1, "machines that train together; each is started with the same command", least=1)
    logger: str = flag(
        "tensorboard", "where the curves go besides metrics.jsonl", choices=LOGGERS, free=True, heading="other"
    )
    config: Path | None = flag(None, "JSON or TOML file of flags, such as a run's config.json", free=True)


FREE = frozenset(item.name for item in dataclasses.fields(Train) if item.metadata["free"])


@dataclass(frozen=True)
class Fetch:
    """Fetch published weights into the data volume, each held against the checksum that is published with it."""

    url: tuple[str, ...] = flag((), "address, with #sha256=… or #md5=… behind it, repeatable", repeatable=True)
    mirror: str | None = flag(None, "address of a copy of the hosts, asked for MIRROR/HOST/PATH instead")


@dataclass(frozen=True)
class DataCheck(Json):
    """Say what is wrong with a dataset or with labelled pictures, where, and what to do.

    Examples:
        ./inv data-check shapes
        ./inv data-check photos --deep
    """

    what: str = required("dataset, or path of labelled pictures", positional=True, name_or_path=True)
    format: str | None = flag(None, "format of the annotations at a path [default: detected, and said]")
    size: int = flag(SMALL_SIZE, "input size in pixels that small boxes are judged at", least=1)
    deep: bool = flag(False, "decode every picture: finds damage inside them and near-copies in several splits")
    fix: str | None = flag(None, "name of a new dataset: a mended copy; what was changed is said")


@dataclass(frozen=True)
class DataShow:
    """Write a page about a dataset: pictures with boxes, classes, splits, sizes, and what data-check finds.

    Examples:
        ./inv data-show shapes
    """

    name: str = required("dataset", positional=True)


@dataclass(frozen=True, kw_only=True)
class DataExport(Data):
    """Write a dataset in the format that another tool reads.

    Examples:
        ./inv data-export --data shapes --format yolo
    """

    format: str = required("format to write", choices=EXPORTED)
    to: Path | None = flag(None, "new folder to write [default: exports/DATA-FORMAT in the data volume]", output=True)
    link: bool = flag(False, "hard links to the pictures instead of copies where the file system can")


@dataclass(frozen=True)
class Predict(Device, Run, Data):
    """Run a detector in its own framework, a run's or a pretrained one: pictures with boxes and a COCO result file.

    Examples:
        ./inv VERB --weights coco --classes person --source photos
        ./inv VERB --data shapes
    """

    weights: str | None = flag(
        None,
        "detector to run as it is, instead of a run's: coco (published, fetched by the verb weights), or a file",
        name_or_path=True,
        words=WEIGHTS,
    )
    model: str | None = flag(None, "architecture of --weights, see the verb models [default: the first]")
    classes: str | None = flag(None, "classes to look for, with commas [default: all that it knows]")
    source: Path | None = flag(None, "picture or folder [default: the dataset's test split]")
    threshold: float = flag(0.3, "lowest score that is drawn", least=0, most=1)
    limit: int | None = flag(None, "at most so many pictures", least=1)


@dataclass(frozen=True)
class Export(Device, Run, Data):
    """Export a run's core (before NMS), core.json and native predictions for the gate.

    Examples:
        ./inv VERB --data shapes
        ./inv VERB --data shapes --size 320 --precision int8
        ./inv VERB --data shapes --profile robotics-academy
    """

    size: int | None = flag(
        None, "height and width of the model's input, pixels [default: the run's]", least=SIZES[0], most=SIZES[1]
    )


@dataclass(frozen=True)
class Assemble(Run, Data):
    """Put head and tail around a run's core, prove the result against the framework, and publish it."""

    channels: str = flag("rgb", "channel order of the model's input", choices=("rgb", "bgr"))
    class_order: str | None = flag(None, "names of the classes in the order of their ids, from 1, with commas")
    score_threshold: float = flag(Thresholds.score, "lowest score the model reports", least=0, most=1)
    iou_threshold: float = flag(Thresholds.iou, "overlap above which the lower score is dropped", least=0, most=1)
    max_detections: int = flag(Thresholds.max_detections, "most detections per picture", least=1)
    profile: str | None = flag(None, "client that the model is for: channels, class order, threshold", choices=PROFILES)
    precision: str = flag("fp32", "numbers of the core; int8 is calibrated on training pictures", choices=PRECISIONS)
    batch: str = flag("any", "pictures at a time that the model takes: any, or the number it is fixed to")


@dataclass(frozen=True)
class Convert:
    """Make a model made elsewhere one of the contract, prove it against the original, and publish it.

    What the model itself does not tell is settled by its kind and said; the flags below overrule it.

    Examples:
        ./inv convert frozen_inference_graph.pb --name face
        ./inv convert model.onnx --classes person,dog --data shapes --name mine
    """

    path: Path = required("file or folder of the model", positional=True, among=True)
    name: str = required("name of the published model")
    classes: str | None = flag(
        None,
        "names of the classes in the order of their ids, with commas; or a file of names, coco, voc"
        " [default: those in the model or beside it, else the ids]",
        name_or_path=True,
    )
    data: str | None = flag(None, "dataset whose test pictures both are compared on, and its mAP measured on")
    pictures: Path | None = flag(None, "folder of pictures that both are compared on, where there is no dataset")
    inputs: str | None = flag(None, "input of the graph, by name [default: found]")
    outputs: str | None = flag(
        None,
        "outputs of the graph, by name, with commas, also as boxes=NAME,scores=NAME,classes=NAME,count=NAME"
        " [default: found]",
    )
    decoder: str | None = flag(
        None, "what makes boxes of raw outputs [default: recognised by their shapes]", choices=DECODERS
    )
    box_order: str | None = flag(None, "order of a box's numbers in the outputs [default: found]", choices=BOX_ORDERS)
    size: str | None = flag(None, "input size in pixels, N or HEIGHTxWIDTH, where the graph takes any [default: 640]")
    resize: str | None = flag(None, "how pictures are made that size [default: by the model's kind]", choices=RESIZES)
    mean: str | None = flag(None, "grey levels taken off, one number or three with commas (RGB) [default: by its kind]")
    std: str | None = flag(None, "what is divided by afterwards, likewise, in grey levels [default: by its kind]")
    input_channels: str | None = flag(
        None, "channel order that the model was trained with [default: by its kind]", choices=("rgb", "bgr")
    )


@dataclass(frozen=True)
class Parity(Data, Json):
    """Compare the published models of a dataset with each other, with a verdict.

    Examples:
        ./inv parity --data shapes
        ./inv parity --data shapes --providers cpu,cuda
    """

    model: tuple[str, ...] = flag((), "published model, repeatable [default: all of the dataset]", repeatable=True)
    max_gap: str = flag("0.05", "largest difference in AP50, or none for the table alone")
    providers: str = flag("cpu", "ONNX Runtime's providers to try, with commas: cpu, cuda, tensorrt, openvino")


@dataclass(frozen=True)
class Check(Json):
    """Check any ONNX file against the contract, or say what it would do under a client that follows a profile.

    Examples:
        ./inv check model.onnx
        ./inv check model.onnx --profile robotics-academy
    """

    file: Path = required("ONNX file", positional=True)
    profile: str | None = flag(None, "client to follow, instead of the contract", choices=PROFILES)
    pictures: Path | None = flag(None, "picture or folder that the client is fed [default: drawn ones]")


@dataclass(frozen=True, kw_only=True)
class Infer(Device, Json):
    """Run published models on pictures, a video, a camera or a stream: boxes drawn, and all that was found in a file.

    Examples:
        ./inv infer --model shapes-torch --source street.jpg
        ./inv infer --model shapes-torch --model shapes-tf --source street.mp4 --track --format json,csv
        ./inv infer --model shapes-torch --source 0 --show
    """

    model: tuple[str, ...] = required(
        "published model, or a file under the contract; repeatable: side by side in one picture",
        repeatable=True,
        name_or_path=True,
    )
    source: str = required("picture, folder, video, camera (0 is the first), or address (http, https, rtsp, …)")
    name: str | None = flag(None, "folder of the results in predictions/ [default: MODEL-SOURCE]")
    threshold: float | None = flag(None, "lowest score that counts [default: the model's own]", least=0, most=1)
    classes: str | None = flag(None, "classes to look for, with commas [default: all that the models know]")
    track: bool = flag(False, "follow objects from frame to frame and number them")
    show: bool = flag(False, "a window with what is found; q or Esc ends")
    crops: bool = flag(False, "each detection cut out, as a picture of its own")
    format: str = flag("json", f"files of detections, with commas: {', '.join(FOUND_FORMATS)}")
    limit: int | None = flag(None, "at most so many pictures or frames", least=1)
    batch: int = flag(1, "pictures of a folder that go through a model at once, where they are of one size", least=1)
    threads: int | None = flag(None, "threads of ONNX Runtime [default: one a core]", least=1)


@dataclass(frozen=True)
class Benchmark(Json):
    """Measure how fast models of the contract are, what memory they take and where the time goes.

    Several models take turns, so that a machine that gets slower slows them all.

    Examples:
        ./inv benchmark --model shapes-torch
        ./inv benchmark --model shapes-torch --model shapes-tf --batches 1 --threads 1
        ./inv benchmark --model old.onnx --model new.onnx --seconds 10 --size 1080x1920
    """

    model: tuple[str, ...] = required(
        "published model or ONNX file, repeatable: the others are compared with the first",
        repeatable=True,
        name_or_path=True,
    )
    batches: str = flag("1,4", "pictures at a time, with commas; a model fixed to a number has its own")
    threads: str = flag("1,all", "threads of the operators on the CPU, with commas; all: the processors there are")
    seconds: float = flag(2.0, "how long each model is measured at each of them", least=0.05, most=3600)
    size: str = flag("480x640", "frame that the model is given, N or HEIGHTxWIDTH in pixels")
    pictures: Path | None = flag(None, "picture or folder that the frames are made of [default: drawn ones]")
    providers: str = flag("cpu", "ONNX Runtime's providers to try, with commas: cpu, cuda, tensorrt, openvino")


@dataclass(frozen=True, kw_only=True)
class Evaluate(Device, Json):
    """Measure models of the contract on any dataset: mAP, kinds of error, confusions, the worst pictures.

    Examples:
        ./inv evaluate --model shapes-torch --model shapes-tf --data shapes
        ./inv evaluate --model coco-ssd --data street --map "motorbike=motorcycle,man=person" --threshold 0.5
    """

    model: tuple[str, ...] = required("published model or ONNX file, repeatable", repeatable=True, name_or_path=True)
    data: str = required("dataset in the data volume")
    split: str = flag("test", "pictures of the dataset that are measured on", choices=SPLITS)
    map: str | None = flag(None, "classes of the model that are the dataset's, theirs=ours with commas")
    threshold: float | None = flag(
        None, "score above which detections are shown and counted [default: each model's own]", least=0, most=1
    )
    limit: int | None = flag(None, "at most so many pictures", least=1)


@dataclass(frozen=True)
class Play:
    """Open a page on this machine where models run in the browser: on dropped pictures, or on what a webcam sees.

    Examples:
        ./inv play --model shapes-torch
        ./inv play --model shapes-torch --model shapes-tf --port 9000
    """

    model: tuple[str, ...] = required(
        "published model, or a file under the contract; repeatable: side by side", repeatable=True, name_or_path=True
    )
    port: int = flag(8017, "port on this machine", least=1, most=65535)
    host: str = flag("127.0.0.1", "address to listen at; the launcher's business")
    web: Path = flag(Path("/opt/web"), "folder of onnxruntime-web's files; the launcher's business")


@dataclass(frozen=True)
class Report:
    """Write an HTML page: of a dataset's models against each other, of a run, a sweep, or a published model.

    Examples:
        ./inv report --data shapes
        ./inv report --run shapes-torch
        ./inv report --model shapes-torch
    """

    data: str | None = flag(None, f"dataset: its models compared, their pictures [default: {Data.data}]")
    run: str | None = flag(None, "run: its curves, its evaluation, what it found")
    sweep: str | None = flag(None, "sweep: its runs against each other, and what each flag does")
    model: str | None = flag(None, "published model: contract, gate, quality, size, latency")


def fields(cls: type) -> list[dataclasses.Field]:
    """The flags of a dataclass, the positional one first, --json last."""
    return sorted(
        dataclasses.fields(cls), key=lambda item: (not item.metadata["positional"], item.metadata["alone"] is not None)
    )


def option(name: str) -> str:
    """`eval_every` -> `--eval-every`."""
    return "--" + name.replace("_", "-")


def value_type(cls: type, name: str) -> type:
    """The type of one value of a flag: `int | None` -> int, `tuple[str, ...]` -> str."""
    hint = typing.get_type_hints(cls)[name]
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return next(item for item in arguments if item is not types.NoneType)
    return arguments[0] if arguments else hint


def is_required(item: dataclasses.Field) -> bool:
    return item.default is dataclasses.MISSING


def help_text(item: dataclasses.Field) -> str:
    """The help of a flag with its choices and its default."""
    text = item.metadata["help"]
    if item.metadata["choices"]:
        text += f": {', '.join(item.metadata['choices'])}"
    if not is_required(item) and item.default not in ((), None) and item.default is not False:
        text += f" [default: {item.default}]"
    return text


def description(cls: type) -> str:
    """What a flag dataclass is for: its docstring without the examples."""
    return inspect.cleandoc(cls.__doc__ or "").partition(EXAMPLES)[0].strip()


def examples(cls: type, verb: str = "VERB") -> list[str]:
    """The command lines below `Examples:` in its docstring; VERB in them, where several have the class, is `verb`."""
    lines = inspect.cleandoc(cls.__doc__ or "").partition(EXAMPLES)[2].splitlines()
    return [line.strip().replace("VERB", verb) for line in lines if line.strip()]


def parser(cls: type, prog: str | None = None) -> argparse.ArgumentParser:
    """The argument parser of a flag dataclass; what is not given is not in its result."""
    made = argparse.ArgumentParser(
        prog=prog,
        description=description(cls),
        epilog="\n  ".join(["examples:", *examples(cls)]) if examples(cls) else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    group = made
    for item in fields(cls):
        if item.metadata["heading"]:
            group = made.add_argument_group(item.metadata["heading"])
        kind = value_type(cls, item.name)
        common = {"help": help_text(item).replace("%", "%%"), "default": argparse.SUPPRESS}
        if item.metadata["positional"]:
            # argparse converts the default of an optional positional: SUPPRESS, being a word, would be checked like one
            optional = {} if is_required(item) else {"nargs": "?", "default": item.default}
            group.add_argument(item.name, type=_converter(kind, item), **common | optional)
        elif kind is bool:
            group.add_argument(option(item.name), action="store_true", **common)
        else:
            repeated = {"action": "append"} if item.metadata["repeatable"] else {}
            if item.metadata["alone"]:
                repeated |= {"nargs": "?", "const": kind(item.metadata["alone"])}
            group.add_argument(
                option(item.name),
                type=_converter(kind, item),
                metavar=item.name.upper(),
                required=is_required(item),
                **common,
                **repeated,
            )
    return made


def parse(cls: type[T], argv: list[str] | None = None, prog: str | None = None) -> T:
    """The flags of a command line as the dataclass; a wrong one ends the program and names the flag."""
    return cls(**given(cls, parser(cls, prog), arguments(argv)))


def arguments(argv: list[str] | None) -> list[str]:
    """The command line, this process's own unless another is given."""
    return sys.argv[1:] if argv is None else argv


def given(cls: type, made: argparse.ArgumentParser, argv: list[str]) -> dict[str, Any]:
    """The values of the flags that a command line gives, without the defaults of the others."""
    values = vars(made.parse_args(argv))
    return {key: tuple(item) if _field(cls, key).metadata["repeatable"] else item for key, item in values.items()}


def to_argv(cls: type, values: dict[str, Any]) -> list[str]:
    """The command line that gives these values; what is None, False or empty is left to the default."""
    argv: list[str] = []
    for item in fields(cls):
        value = values.get(item.name)
        if value is None or value is False or value == ():
            continue
        if item.metadata["positional"]:
            argv.append(str(value))
        elif value is True:
            argv.append(option(item.name))
        elif item.metadata["repeatable"]:
            for one in value:
                argv += [option(item.name), str(one)]
        else:
            argv += [option(item.name), str(value)]
    return argv


def _field(cls: type, name: str) -> dataclasses.Field:
    return next(item for item in dataclasses.fields(cls) if item.name == name)


def _converter(kind: type, item: dataclasses.Field):
    """A function from the typed word to the value, whose errors say what is allowed."""
    choices, least, most = (item.metadata[key] for key in ("choices", "least", "most"))
    range_text = " and ".join([f"at least {least}"] * (least is not None) + [f"at most {most}"] * (most is not None))
    expected = {int: "a whole number", float: "a number"}.get(kind, "a value") + (
        f", {range_text}" if range_text else ""
    )

    def convert(word: str):
        if choices and word not in choices:
            raise argparse.ArgumentTypeError(f"{word!r} is not one of {', '.join(choices)}")
        try:
            value = kind(word)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{word!r} is not {expected}") from None
        # written so that "nan" is out of every range
        if (least is not None and not value >= least) or (most is not None and not value <= most):
            raise argparse.ArgumentTypeError(f"{word} is not {expected}")
        return value

    return convert
