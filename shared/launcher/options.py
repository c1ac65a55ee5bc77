"""Flags of the verbs that are the launcher's own; those of scripts are in isomer.flags, and made the same way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isomer.flags import KINDS, Fetch, Json, Train, flag, required
from isomer.sweep import METRICS

ROAD = "road"  # docs/guide.md, among the images' own guides


def _engine(heading: str | None = None) -> Any:
    words = "what runs the steps [default: docker if it answers, else venv]"
    return flag(None, words, choices=("docker", "venv", "slurm"), heading=heading)


@dataclass(frozen=True, kw_only=True)
class Engine:
    engine: str | None = _engine()


@dataclass(frozen=True, kw_only=True)
class Site:
    """What a job on a cluster asks for; each stands in slurm.toml under the same name, too."""

    partition: str | None = flag(None, "partition of the cluster", heading="with --engine slurm, over slurm.toml")
    account: str | None = flag(None, "account that pays")
    qos: str | None = flag(None, "quality of service")
    time_limit: str | None = flag(None, "time limit of one start: minutes, H:MM:SS or DAYS-HOURS")
    memory: str | None = flag(None, "memory of each node, like 16G")
    constraint: str | None = flag(None, "feature that the nodes must have")
    cpus_per_task: int | None = flag(None, "processor cores of each process", least=1)
    gpus_per_node: int | None = flag(None, "GPUs of each node; a training takes them all", least=0)
    modules: str | None = flag(None, "modules to load, with commas")
    runtime: str | None = flag(None, "what the environment on the nodes is", choices=("venv", "pyxis", "apptainer"))
    archives: str | None = flag(None, "folder of the images' archives, for pyxis and apptainer")
    shared: str | None = flag(None, "folders that all nodes see, with commas")


@dataclass(frozen=True, kw_only=True)
class Run(Engine):
    engine: str | None = _engine(heading="engine")
    dry_run: bool = flag(False, "start nothing: show the commands, or with slurm the batch script")


@dataclass(frozen=True, kw_only=True)
class Steps(Site, Run):
    """How the steps of a verb are run."""


@dataclass(frozen=True, kw_only=True)
class Image:
    image: str | None = flag(None, "images, with commas [default: all]")


@dataclass(frozen=True, kw_only=True)
class Pipeline(Steps, Train):
    """The main job: train, export, compare, report.

    Examples:
        ./inv pipeline
        ./inv pipeline --data raccoon --epochs 60
    """

    frameworks: str | None = flag(None, "frameworks, with commas [default: all]", heading="pipeline")
    max_gap: str = flag("0.05", "largest difference in AP50, or none for the table alone; a larger one fails if typed")


@dataclass(frozen=True, kw_only=True)
class Sweep(Json, Steps, Train):
    """Train one run for every combination of values; compare them, name the best.

    On a Slurm cluster as a job array, elsewhere one after the other. The same command again goes on with what is
    missing, and shows the table when all is done. A run that fails does not end the others; the exit code is 1 then.

    Examples:
        ./inv sweep --framework torch --grid "lr=1e-3,3e-3 size=192,320"
        ./inv sweep --data mine --framework torch --grid "lr=1e-3,3e-3 seed=0,1,2" --epochs 20 --metric AP50
        ./inv sweep --data mine --framework tf --grid "lr=1e-3,3e-3,1e-2" --engine slurm --at-once 8
    """

    framework: str = required("framework that trains", heading="sweep")
    grid: str = required("flags that differ, with their values; several flags: every combination")
    name: str | None = flag(None, "name of the sweep, with which its runs begin [default: DATA-FRAMEWORK-FLAGS]")
    metric: str = flag("mAP", "what the runs are compared by, on the val split", choices=METRICS)
    at_once: int | None = flag(None, "runs at once at most, with --engine slurm [default: as many as fit]", least=1)


@dataclass(frozen=True, kw_only=True)
class Models(Json):
    """List the models that can be trained, and their weights.

    Examples:
        ./inv models
    """


@dataclass(frozen=True, kw_only=True)
class Weights(Fetch, Json, Engine):
    """Fetch published weights; training never uses the network.

    Examples:
        ./inv weights --list
        ./inv weights --framework torch --kind coco
    """

    framework: str | None = flag(None, "frameworks, with commas [default: all]")
    model: tuple[str, ...] = flag((), "model, see the verb models, repeatable [default: all]", repeatable=True)
    kind: str | None = flag(None, "of whole detectors (coco) or of backbones (imagenet) [default: both]", choices=KINDS)
    list: bool = flag(False, "fetch nothing: show which there are, and which are here")


@dataclass(frozen=True, kw_only=True)
class Runs(Json):
    """List the training runs: state, best mAP, time; or show one.

    Examples:
        ./inv runs
        ./inv runs --run shapes-torch
    """

    run: str | None = flag(None, "show this one, with its config, provenance and curves")


@dataclass(frozen=True, kw_only=True)
class Reproduce(Steps):
    """Train a run again, and say whether it came out the same.

    Examples:
        ./inv reproduce shapes-torch
        ./inv reproduce shapes-torch --check
    """

    run: str = required("run", positional=True)
    check: bool = flag(False, "train nothing: only say whether code, lock, dataset and seed are the same")
    max_gap: float = flag(0.02, "largest difference in mAP, AP50 and AP75 that passes", least=0, most=1)


@dataclass(frozen=True, kw_only=True)
class Tensorboard(Engine):
    """Show the curves of all runs in a browser on this machine.

    Examples:
        ./inv tensorboard
    """

    port: int = flag(6006, "port on this machine", least=1, most=65535)


@dataclass(frozen=True, kw_only=True)
class Test(Engine):
    """Check style, run the host's tests and the images' own.

    Examples:
        ./inv test
        ./inv test --image onnx --engine venv --slow
    """

    image: str | None = flag(None, "images, with commas; host: style, launcher, repository [default: all]")
    slow: bool = flag(False, "the slow tests too")


@dataclass(frozen=True, kw_only=True)
class Build(Engine, Image):
    """Make the images, or in the venv engine the environments.

    Examples:
        ./inv build
        ./inv build --image torch --engine docker
        ./inv build --archive /shared/isomer --image torch
    """

    archive: Path | None = flag(
        None, "folder: write the images there as clusters' container runtimes take them (docs/slurm.md)", output=True
    )


@dataclass(frozen=True, kw_only=True)
class Doctor(Engine, Json):
    """Find what stands between this machine and a good run.

    Exit code 1 where a run would fail.

    Examples:
        ./inv doctor
        ./inv doctor --engine docker
        ./inv doctor --bundle report.zip
    """

    bundle: Path | None = flag(None, "write a zip archive for a bug report, without private paths", output=True)


@dataclass(frozen=True, kw_only=True)
class Docs:
    """Build the guides and the reference as a site, links checked.

    Examples:
        ./inv docs
    """


@dataclass(frozen=True, kw_only=True)
class Lock:
    """Renew every locked set from its requirements.in.

    Examples:
        ./inv lock
        ./inv lock --upgrade
    """

    upgrade: bool = flag(False, "newer versions of what is not pinned, and the base image's newest digest, too")


@dataclass(frozen=True, kw_only=True)
class Shell(Engine):
    """Open a shell in an image, with the data volume.

    Examples:
        ./inv shell torch
    """

    image: str = required("image", positional=True)
    online: bool = flag(False, "with network")


@dataclass(frozen=True, kw_only=True)
class Notebook(Engine):
    """Open a guide as a notebook in a browser on this machine.

    Examples:
        ./inv notebook torch
        ./inv notebook road --port 8889
    """

    guide: str = required(f"an image, for its guide in that image; or {ROAD}, the whole road", positional=True)
    port: int = flag(8888, "port on this machine", least=1, most=65535)
    execute: bool = flag(False, "open nothing: execute all cells, and keep what they give")


@dataclass(frozen=True, kw_only=True)
class Clean:
    """Show what was made, with sizes; remove what the flags name.

    Examples:
        ./inv clean
        ./inv clean --images --environments
    """

    environments: bool = flag(False, "remove the virtual environments")
    images: bool = flag(False, "remove the Docker images")
    data: bool = flag(False, "remove the data volume: datasets, runs, models, reports (needs --yes)")
    yes: bool = flag(False, "really remove the data volume")


@dataclass(frozen=True, kw_only=True)
class Completion:
    """Print what makes a shell complete verbs and flags.

    Examples:
        ./inv completion bash    # >> ~/.bashrc
        ./inv completion fish    # > ~/.config/fish/completions/inv.fish
    """

    shell: str = required("shell", choices=("bash", "zsh", "fish"), positional=True)


@dataclass(frozen=True, kw_only=True)
class Conflicts:
    """List the files that two images' locked sets would fight over.

    Examples:
        ./inv conflicts --image torch,tf
    """

    image: str = flag("torch,tf", "two images, with a comma")


@dataclass(frozen=True, kw_only=True)
class Jobs(Json):
    """List your jobs of a Slurm cluster: run, state, nodes, time, why they wait.

    Examples:
        ./inv jobs
        ./inv jobs --json
    """


@dataclass(frozen=True, kw_only=True)
class JobsCancel:
    """Cancel jobs by number or run; training saves first.

    Examples:
        ./inv jobs-cancel 1234
        ./inv jobs-cancel shapes-torch
    """

    job: str = required("number of a job, or a run; with commas for more, or all", positional=True)


@dataclass(frozen=True, kw_only=True)
class JobsLog:
    """Show a job's log, and go on with it.

    Examples:
        ./inv jobs-log 1234
        ./inv jobs-log shapes-torch --follow
    """

    job: str = required("number of a job, or a run", positional=True)
    follow: bool = flag(False, "go on until the job has ended, with its exit code")
