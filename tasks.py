"""Every verb: it gathers flags and makes one call to the launcher.

The verbs of an image come from its scripts: a folder with train.py gives train-NAME, and so on.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "shared"))

from invoke import Collection

from isomer import flags
from launcher import converting, engines, exporting, inferring, options, playing, project, steps, training, verbs
from launcher.exporting import TOOLS
from launcher.step import script
from launcher.verbs import Parsed


def of_script(name: str, help_line: str, image: str, script_name: str, cls: type, *, network: bool = False) -> None:
    """A verb that runs one script of one image; network: it downloads."""

    def body(given: Parsed, engine: Parsed) -> None:
        device = getattr(given.flags, "device", "auto")
        steps.run(engines.choose(engine.flags), script(image, script_name, given.argv, device, network))

    add(verbs.make(name, help_line, (cls, options.Steps), body))


def of_launcher(name: str, cls: type, call: str, without: tuple[str, ...] = (), goes_on: bool = False) -> None:
    """A verb that is one function `call` of the launcher's module of the same name, loaded when it is used."""

    def body(given: Parsed) -> None:
        from importlib import import_module

        module, function = call.split(":")
        getattr(import_module(f"launcher.{module}"), function)(given)

    add(verbs.make(name, flags.description(cls), (cls,), body, without, goes_on))


def train(image: str) -> None:
    """train-NAME; a container is shown the file of weights too that only --config or the run names."""

    def body(given: Parsed, engine: Parsed) -> None:
        chosen = engines.choose(engine.flags)
        steps.run(chosen, training.step(given, image, engine.flags.gpus_per_node))

    help_line = f"Train in {image}; the same command goes on where it stopped."
    add(verbs.make(f"train-{image}", help_line, (flags.Train, options.Steps), body))


def export(image: str) -> None:
    """export-NAME: the framework's core, then head and tail around it, then the gate, which publishes."""

    def body(core: Parsed, around: Parsed, engine: Parsed) -> None:
        chosen = engines.choose(engine.flags)
        steps.run(chosen, *exporting.steps(image, {**core.typed, **around.typed}))

    help_line = f"Export a {image} run, prove it against {image}, publish it."
    add(verbs.make(f"export-{image}", help_line, (flags.Export, flags.Assemble, options.Steps), body))


def convert() -> None:
    """A model made elsewhere: identified, converted in the image that opens it, then as an export."""

    def body(given: Parsed, around: Parsed, engine: Parsed) -> None:
        converting.run(engines.choose(engine.flags), given, around.typed)

    help_line = "Convert a model made elsewhere, prove it, publish it."
    add(verbs.make("convert", help_line, (flags.Convert, flags.Assemble, options.Steps), body, without=("run",)))


def play() -> None:
    """Where its server listens and what it serves to browsers is the engine's business."""

    def body(given: Parsed, engine: Parsed) -> None:
        playing.run(engines.choose(engine.flags), given)

    help_line = "Open a page where models run in the browser itself."
    add(verbs.make("play", help_line, (flags.Play, options.Engine), body, without=("host", "web")))


def infer() -> None:
    """A camera, the screen and the network are the step's only where they were asked for."""

    def body(given: Parsed, engine: Parsed) -> None:
        steps.run(engines.choose(engine.flags), inferring.step(given))

    help_line = "Run models on pictures, videos, a camera or a stream."
    add(verbs.make("infer", help_line, (flags.Infer, options.Steps), body))


def add(task) -> None:
    namespace.add_task(task)


namespace = Collection()
of_launcher("pipeline", options.Pipeline, "pipeline:run", without=("run",), goes_on=True)
of_launcher("sweep", options.Sweep, "sweeping:run", without=("run", "resume"), goes_on=True)
of_launcher("models", options.Models, "models:run")
of_launcher("weights", options.Weights, "weights:run", without=("url",))
of_launcher("runs", options.Runs, "runs:run")
of_launcher("jobs", options.Jobs, "jobs:show")
of_launcher("jobs-log", options.JobsLog, "jobs:log")
of_launcher("jobs-cancel", options.JobsCancel, "jobs:cancel")
of_launcher("reproduce", options.Reproduce, "reproduce:run", goes_on=True)
of_launcher("tensorboard", options.Tensorboard, "tensorboard:run")
of_launcher("test", options.Test, "testing:run")
of_launcher("build", options.Build, "build:run")
of_launcher("doctor", options.Doctor, "doctor:run")
of_launcher("docs", options.Docs, "docs:run")
of_launcher("lock", options.Lock, "locks:run")
of_launcher("notebook", options.Notebook, "notebook:run")
of_launcher("shell", options.Shell, "shell:run")
of_launcher("clean", options.Clean, "cleaning:run")
of_launcher("completion", options.Completion, "completion:run")
of_launcher("conflicts", options.Conflicts, "conflicts:run")

of_script("data-make", "Draw a dataset: shapes on textured backgrounds.", TOOLS, "data_make", flags.DataMake)
of_script("data-import", "Import labelled pictures in any of 14 formats.", TOOLS, "data_import", flags.DataImport)
of_script(
    "data-download",
    "Fetch Open Images, COCO, Penn-Fudan, or an archive.",
    TOOLS,
    "data_download",
    flags.DataDownload,
    network=True,
)
of_script(
    "data-check", "Say what is wrong with a dataset or a source, and where.", TOOLS, "data_check", flags.DataCheck
)
of_script("data-show", "Write a dataset's page: pictures, boxes, classes, splits.", TOOLS, "data_show", flags.DataShow)
of_script("data-export", "Write a dataset in another tool's format.", TOOLS, "data_export", flags.DataExport)
of_script("parity", "Compare a dataset's published models; gives a verdict.", TOOLS, "parity", flags.Parity)
of_script("check", "Check any ONNX file against the contract.", TOOLS, "check", flags.Check)
of_script("benchmark", "Measure a model's speed, memory, and where time goes.", TOOLS, "benchmark", flags.Benchmark)
of_script("evaluate", "Measure any model on any dataset: mAP, kinds of error.", TOOLS, "evaluate", flags.Evaluate)
of_script("report", "Write the HTML page of a dataset's models, a run, or a model.", TOOLS, "report", flags.Report)

for name in project.images_with("train"):
    train(name)
for name in project.images_with("predict"):
    line = f"Draw what a model trained in {name} finds, by {name} itself."
    of_script(f"predict-{name}", line, name, "predict", flags.Predict)
for name in project.images_with("export"):
    export(name)
convert()
infer()
play()

if __name__ == "__main__":
    from launcher.program import main

    main(namespace)
