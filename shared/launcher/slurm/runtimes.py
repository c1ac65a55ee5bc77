"""What the environment on the nodes is: the locked venv on the shared file system, or the image in a container runtime.

A runtime has the methods of `Venv`; `of` gives the one that the site says.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Protocol

from isomer.errors import UserError
from launcher import archives, mounts, project
from launcher.engines import venv
from launcher.slurm import queue
from launcher.slurm.batch import Launch
from launcher.slurm.probe import Need
from launcher.slurm.site import Site
from launcher.step import Step, provenance

OWN = ".sif"  # of Apptainer's own images


class Runtime(Protocol):
    def prepare(self, image: str, device: str) -> None:
        """Make what the nodes need, where it is missing or stale."""

    def is_ready(self, image: str, device: str) -> bool: ...

    def describe(self, image: str) -> str:
        """What there is of it, in words."""

    def lock_of(self, image: str, device: str) -> Path:
        """The locked set that the environment is of."""

    def web(self, image: str) -> str:
        """The folder, as a step sees it, of what browsers run models with."""

    def needs(self, image: str, device: str) -> list[Need]: ...

    def launch(self, step: Step) -> Launch:
        """How a step is started."""


class Venv:
    """The venv engine's environment, which all nodes see."""

    def prepare(self, image: str, device: str) -> None:
        venv.prepare(image, device)

    def is_ready(self, image: str, device: str) -> bool:
        return venv.is_ready(image, device)

    def describe(self, image: str) -> str:
        return venv.describe(image)

    def lock_of(self, image: str, device: str) -> Path:
        return venv.lock_of(image, device)

    def web(self, image: str) -> str:
        return venv.web(image)

    def needs(self, image: str, device: str) -> list[Need]:
        program = venv.folder(image, device) / "bin" / "python"
        sentence = (
            f"cannot run {program}: the environment, or the Python that it was made with, is not on a file system that "
            "all nodes share"
        )
        return [Need(f'{shlex.quote(str(program))} -c ""', sentence)]

    def launch(self, step: Step) -> Launch:
        made = venv.command(step)
        return Launch(made.argv, made.env)


class Container:
    """An image's archive in the site's folder, run by what the cluster has for that.

    As in the docker engine the volume is /data, datasets are read-only to training, and what a step reads or writes
    elsewhere is mounted. Network, /tmp and shared memory are the node's: processes of one node talk through them.
    """

    program: str  # that nodes must have
    suffixes: tuple[str, ...]  # of archives that it can take, the best first
    separators: str  # which a path that is mounted must not have

    def __init__(self, site: Site) -> None:
        self.site = site

    def prepare(self, image: str, device: str) -> None:
        """Find the archive of the image as its files are now.

        Raises:
            UserError: it is not there.
        """
        if self.is_ready(image, device):
            return
        folder = self.folder()
        stale = [path.name for path in archives.others(image, folder) if path.suffix in self.suffixes]
        said = f"{stale[-1]} is of other files than those here" if stale else f"there is none of {image}"
        raise UserError(
            f"no {archives.name(image, '')} for {self.site.runtime} in {folder} ({self.site.where('archives')}), "
            f"{said}: `./inv build --archive {folder} --image {image}` on a machine with Docker writes it"
        )

    def is_ready(self, image: str, device: str) -> bool:
        return self.site.archives is not None and self.archive(image).is_file()

    def describe(self, image: str) -> str:
        if not self.is_ready(image, "auto"):
            return f"no archive for {self.site.runtime} yet"
        archive = self.archive(image)
        return f"{archive}, {archive.stat().st_size / 1e9:.2f} GB"

    def lock_of(self, image: str, device: str) -> Path:
        return project.lock_of(image)

    def web(self, image: str) -> str:
        return mounts.WEB

    def needs(self, image: str, device: str) -> list[Need]:
        archive = self.archive(image)
        absent = (
            f"has no {self.program}, which {self.site.runtime} ({self.site.where('runtime')}) runs in: load its module "
            "(modules in slurm.toml), or take another --runtime"
        )
        hidden = f"cannot read {archive}: keep the archives on a file system that all nodes share"
        return [Need(f"command -v {self.program}", absent), Need(f"test -r {shlex.quote(str(archive))}", hidden)]

    def folder(self) -> Path:
        """Where the archives are.

        Raises:
            UserError: it is not said.
        """
        if self.site.archives is None:
            raise UserError(
                f"{self.site.where('runtime')}: {self.site.runtime} runs archives of the images. Write them with "
                "`./inv build --archive FOLDER` on a machine with Docker, and say where the nodes see them: archives "
                f"in {self.site.source}"
            )
        return self.site.archives.absolute()

    def archive(self, image: str) -> Path:
        """The archive of an image as its files are now, the best that is there."""
        paths = [self.folder() / archives.name(image, suffix) for suffix in self.suffixes]
        return next((path for path in paths if path.is_file()), paths[-1])

    def mounted(self, step: Step) -> list[str]:
        """SOURCE:TARGET[:ro] of all that the step sees.

        Raises:
            UserError: the runtime cannot mount a path of this name.
        """
        root = project.volume().root
        found = [(root, mounts.DATA, True)]
        if step.image in project.frameworks():
            found.append((root / "datasets", mounts.DATA / "datasets", False))
        found += [(path, mounts.inside(path), writes) for path, writes in mounts.of(step).items()]
        for path, _, _ in found:
            if wrong := next((letter for letter in self.separators if letter in str(path)), None):
                raise UserError(f"{self.site.runtime} cannot mount a path with {wrong!r}: {path}")
        return [f"{path}:{target}{'' if writes else ':ro'}" for path, target, writes in found]

    def env(self, step: Step, archive: Path) -> dict[str, str]:
        """The variables of the batch script."""
        return provenance(step.image, "slurm", archive.name, self.lock_of(step.image, step.device))

    def command(self, step: Step) -> tuple[str, ...]:
        """What runs inside, with the variables that must not be the node's."""
        own = {
            # the image's is /tmp, which is the node's and other users', too
            "HOME": f"/tmp/isomer-{os.getuid()}",
            "TMPDIR": "/tmp",
            "ISOMER_DATA": str(mounts.DATA),
            "PYTHONNOUSERSITE": "1",
            "PYTHONPATH": str(mounts.CODE / "shared"),
            **{key: mounts.seen(value) for key, value in step.env.items()},
        }
        variables = [f"{key}={value}" for key, value in own.items()]
        python = str(mounts.VENV / "bin" / "python")
        return ("/usr/bin/env", "--unset=PYTHONHOME", *variables, python, *map(mounts.seen, step.argv))


class Apptainer(Container):
    """`apptainer exec` of the squashfs as it is, or of an image of Apptainer's own made of the docker archive.

    https://apptainer.org/docs/user/main/cli/apptainer_exec.html
    """

    program = "apptainer"
    suffixes = (OWN, archives.SQUASH, archives.TAR)
    separators = ",:"

    def launch(self, step: Step) -> Launch:
        archive = self.archive(step.image)
        is_docker = archive.suffix == archives.TAR
        image = archive.with_suffix(OWN) if is_docker else archive
        line = ["apptainer", "--silent", "exec", *(["--nv"] if step.device == "gpu" else [])]
        # the image is read-only; the caller's home and folder stay outside
        line += ["--no-mount", "home,cwd", "--pwd", _scripts(step)]
        line += [word for mount in self.mounted(step) for word in ("--bind", mount)]
        before = tuple(_making(image, archive)) if is_docker else ()
        return Launch((*line, str(image), *self.command(step)), self.env(step, archive), before=before)


def _making(image: Path, archive: Path) -> list[str]:
    """Lines of shell that make Apptainer's image once: of jobs that begin together one makes it, the others wait."""
    made, source, part, lock = (
        shlex.quote(str(path))
        for path in (image, archive, image.with_suffix(f"{OWN}.part"), image.with_suffix(f"{OWN}.lock"))
    )
    return [
        "# Apptainer's own image, made once of the archive",
        f"exec {{once}}>>{lock} && flock $once",
        f"[[ -e {made} ]] || {{",
        f'  echo "making {image.name} of {archive.name}, once: minutes"',
        f"  apptainer --quiet build --force {part} docker-archive:{source} && mv {part} {made} || exit 1",
        "}",
        "exec {once}>&-",
    ]


class Pyxis(Container):
    """srun's options of the pyxis plug-in, with a squashfs that enroot runs.

    https://github.com/NVIDIA/pyxis/wiki/Usage
    """

    program = "enroot"
    suffixes = (archives.SQUASH,)
    separators = ",: \t"

    def prepare(self, image: str, device: str) -> None:
        if "--container-image" not in queue.run(["srun", "--help"]).stdout:
            raise UserError(
                f"{self.site.where('runtime')}: this cluster's srun has no --container-image, so no pyxis: take venv "
                "or apptainer"
            )
        super().prepare(image, device)

    def launch(self, step: Step) -> Launch:
        archive = self.archive(step.image)
        options = (
            f"--container-image={archive}",
            f"--container-mounts={','.join(self.mounted(step))}",
            f"--container-workdir={_scripts(step)}",
            "--no-container-mount-home",
            "--no-container-remap-root",
            "--no-container-entrypoint",
        )
        env = self.env(step, archive)
        if step.device == "gpu":
            # enroot's hook gives a container what these say; Slurm says which of the GPUs are the job's
            env |= {"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}
        return Launch(self.command(step), env, options)


def _scripts(step: Step) -> str:
    """The folder of the step's scripts in its image."""
    return str(mounts.CODE / "images" / step.image)


def of(site: Site) -> Runtime:
    """The runtime that the site's settings name."""
    containers = {"pyxis": Pyxis, "apptainer": Apptainer}
    return containers[site.runtime](site) if site.runtime in containers else Venv()
