"""The slurm engine: a step is a batch job of a cluster, in the venv engine's environment or the built image.

Its settings are those of launcher.slurm.site, which `use` reads. What needs the network or this machine's devices does
not become a job: nodes of clusters seldom have either.
"""

from __future__ import annotations

import dataclasses
import itertools
import secrets
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from isomer.errors import UserError
from isomer.manners import is_quiet
from isomer.progress import VARIABLE as LOG_SECONDS
from isomer.progress import say
from launcher import project
from launcher.engines import venv
from launcher.options import Site as Flags
from launcher.slurm import batch, following, probe, queue, runtimes, site
from launcher.step import Step

NAME = "slurm"
LISTEN = venv.LISTEN
IN_BACKGROUND = True
FOLLOWED_SECONDS = "2"  # between two plain lines of progress in a log that is followed
_settings: list[site.Site] = []


def use(flags: Flags) -> None:
    """Take the site's settings and these flags for all that follows."""
    _settings[:] = [site.load(flags)]


def settings() -> site.Site:
    if not _settings:
        _settings.append(site.read(site.place(), Flags()))
    return _settings[0]


def unavailable() -> str | None:
    return queue.missing()


def gpu() -> str | None:
    """What the jobs are given, or may be."""
    count = settings().gpus_per_node
    if count:
        return f"{count} on each node"
    return "nodes with GPUs" if queue.has_gpus(settings().partition) else None


def version() -> str:
    done = subprocess.run(["sbatch", "--version"], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def place() -> Path:
    return venv.place()


def lock_of(image: str, device: str = "auto") -> Path:
    return runtimes.of(settings()).lock_of(image, _device(device))


def is_ready(image: str, device: str = "auto") -> bool:
    return runtimes.of(settings()).is_ready(image, _device(device))


def prepare(image: str, device: str = "auto") -> None:
    """Make the environment that the nodes use; two launchers at once wait for each other."""
    runtimes.of(settings()).prepare(image, _device(device))


build = prepare


def describe(image: str) -> str:
    return runtimes.of(settings()).describe(image)


def web(image: str) -> str:
    return runtimes.of(settings()).web(image)


def _device(device: str) -> str:
    """What the jobs compute on, as an environment is made for."""
    return "gpu" if device == "gpu" or (device == "auto" and settings().gpus_per_node) else "cpu"


def _gpus(step: Step) -> int:
    """GPUs of each node that a step is given."""
    return 0 if _device(step.device) == "cpu" else settings().gpus_per_node or step.devices


def text(step: Step) -> str:
    """The batch script of a step."""
    return batch.script(step, _launch(step), settings(), _gpus(step))


def _launch(step: Step) -> batch.Launch:
    launch = runtimes.of(settings()).launch(dataclasses.replace(step, device=_device(step.device)))
    env = {**launch.env, "ISOMER_ENGINE": NAME, LOG_SECONDS: FOLLOWED_SECONDS}
    return dataclasses.replace(launch, env=env)


def shown(step: Step) -> str:
    """What `run` would do, for --dry-run."""
    return venv.shown(step) if _is_here(step) else text(step)


def run(step: Step) -> int:
    if _is_here(step):
        return _run_here(step)
    queued = _queued(step)
    if queued:
        say(f"job {queued.id} is in the queue for this already: following it")
        return follow(queued.id, Path(queued.log))
    return follow(*submit(step))


def submit(step: Step, after: Iterable[str] = (), ended: Iterable[str] = ()) -> tuple[str, Path]:
    """Put a step into the queue; the job's id and its log.

    Args:
        after: jobs that must have ended well before it starts.
        ended: jobs that must have ended, well or not.

    Raises:
        UserError: a node does not see what it needs, or Slurm refuses the job.
    """
    _refuse(step)
    folder = batch.folder_of(step)
    identity = _put(step, text(step), folder, after, ended)
    log = folder / f"{identity}.log"
    say(f"job {identity} is in the queue, its log is {log}")
    return identity, log


def submit_array(sweep: str, steps: Sequence[Step], at_once: int | None) -> str:
    """Put the runs of a sweep into the queue as a job array; its number. Task n of it is the n-th step.

    Args:
        steps: alike but for their runs and what these have of their own at the end of the command line.

    Raises:
        UserError: as `submit`.
    """
    _refuse(steps[0])
    identity = _put(steps[0], shown_array(sweep, steps, at_once), project.volume().jobs)
    say(f"job array {identity} is in the queue: {len(steps)} tasks")
    return identity


def shown_array(sweep: str, steps: Sequence[Step], at_once: int | None) -> str:
    """The batch script of a job array."""
    launches = [_launch(step) for step in steps]
    lines = [(*launch.srun, *launch.argv) for launch in launches]
    alike = itertools.takewhile(lambda words: len(set(words)) == 1, zip(*lines, strict=False))
    shared = [words[0] for words in alike]
    while shared[-1].startswith("--"):  # whose value differs
        shared.pop()
    own = [batch.Task(line[len(shared) :], step.run or "") for line, step in zip(lines, steps, strict=True)]
    common = dataclasses.replace(launches[0], argv=tuple(shared), srun=())
    return batch.script(steps[0], common, settings(), _gpus(steps[0]), batch.Array(sweep, tuple(own), at_once))


def _put(step: Step, content: str, folder: Path, after: Iterable[str] = (), ended: Iterable[str] = ()) -> str:
    """Submit a batch script, which is kept in a folder; the job's number."""
    needs = runtimes.of(settings()).needs(step.image, _device(step.device))
    folder.mkdir(parents=True, exist_ok=True)
    # sbatch copies a script at once. It is kept under the job's number, known only then; a full disk is met before
    made = folder / f".{secrets.token_hex(4)}.sh"
    try:
        made.write_text(content)
        queue.check([str(made)], settings())
        probe.check(step, settings(), _gpus(step), needs, lock_of(step.image, step.device))
        identity = queue.submit([str(made)], settings(), after, ended)
        kept = made.rename(folder / f"{identity}.sh")
    finally:
        made.unlink(missing_ok=True)
    if not is_quiet():
        say(f"$ sbatch {kept}")
    return identity


def follow(identity: str, log: Path) -> int:
    """Show a job's log until it has ended; its exit code."""
    return following.follow([(identity, log)])[identity]


def _is_here(step: Step) -> bool:
    """Whether a step runs on this machine: it downloads, or it is a shell."""
    return step.network or step.program != "python"


def _run_here(step: Step) -> int:
    say("on this machine: nodes of a cluster seldom reach the network, or a person's terminal")
    venv.prepare(step.image, step.device)
    return venv.run(step)


def _refuse(step: Step) -> None:
    """What no job can do."""
    if step.tests:
        raise UserError("--engine slurm: the tests run in the docker and venv engines")
    if step.is_answer:
        raise UserError("--engine slurm: a job has one log for all that it says; name a file: --json FILE")
    if step.camera or step.screen or step.port:
        what = "a camera" if step.camera else "a screen" if step.screen else "a page for a browser"
        raise UserError(f"--engine slurm: {what} of this machine is out of a job's reach; use --engine venv")


def _queued(step: Step) -> queue.Job | None:
    """The job that trains the step's run already."""
    if step.run is None:
        return None
    name = batch.name_of(step)
    found = next((job for job in queue.jobs() if job.name == name and "_" not in job.id), None)
    return queue.job(found.id) if found else None
