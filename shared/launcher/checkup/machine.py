"""The machine: memory, limits, clock, network settings, Python."""

from __future__ import annotations

import json
import re
import resource
import shutil
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from launcher.checkup import NOTE, WARNING, Finding, World
from launcher.engines import venv

# GB: what the default training takes at its peak, both frameworks measured; what its loaders hand over
MEMORY_GB, SHARED_MEMORY_GB = 4.0, 0.5
OPEN_FILES = 1024  # PyTorch's loaders hand over a file a tensor
WATCHES = {
    "max_user_instances": 64,
    "max_user_watches": 8192,
}  # of inotify: notebooks' servers watch folders
PROXIES = ("https_proxy", "http_proxy")
CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "UV_CERT")
CLOCK_SECONDS = 60.0


def find_memory(world: World) -> Iterator[Finding]:
    """Less free memory than training takes; shared memory too small for its loaders."""
    lines = (world.proc / "meminfo").read_text()
    free = int(re.search(r"MemAvailable:\s*(\d+) kB", lines)[1]) * 1024 / 1e9
    if free < MEMORY_GB:
        sentence = f"{free:.1f} GB of memory are free; training with the defaults takes up to {MEMORY_GB:g} GB"
        yield Finding("memory-low", WARNING, sentence, "./inv train-torch … --batch 4 --workers 0")
    if world.engine == venv.NAME and world.shm.is_dir():  # containers have their own, of a size of ours
        size = shutil.disk_usage(world.shm).total / 1e9
        if size < SHARED_MEMORY_GB:
            sentence = f"{world.shm} holds {size * 1e3:.0f} MB; loaders of pictures need {SHARED_MEMORY_GB * 1e3:.0f}"
            yield Finding("shm-low", WARNING, sentence, f"sudo mount -o remount,size=2G {world.shm}")


def find_limits(world: World) -> Iterator[Finding]:
    """Limits of open files, and of watched ones."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < OPEN_FILES:
        sentence = f"a process may open {soft} files; loaders of pictures need {OPEN_FILES}"
        yield Finding("open-files-low", WARNING, sentence, f"ulimit -n {4 * OPEN_FILES}")
    for name, least in WATCHES.items():
        path = world.proc / "sys" / "fs" / "inotify" / name
        if path.is_file() and int(path.read_text()) < least:
            sentence = f"inotify's {name} is {path.read_text().strip()}; servers that watch folders need {least}"
            yield Finding("inotify-low", WARNING, sentence, f"sudo sysctl fs.inotify.{name}={64 * least}")


def find_clock(world: World) -> Iterator[Finding]:
    """A clock behind the last commit: certificates are not valid yet, and what is new counts as old."""
    if world.which("git") is None:
        return
    done = world.ask("git", "-C", str(world.root), "log", "-1", "--format=%ct")
    if done.returncode == 0 and done.stdout.strip():
        behind = int(done.stdout) - time.time()
        if behind > CLOCK_SECONDS:
            when = f"{datetime.now():%Y-%m-%d %H:%M}"
            sentence = f"the clock says {when}, which is {behind / 60:.0f} min before the last commit here"
            yield Finding("clock-behind", WARNING, sentence, "sudo timedatectl set-ntp true")


def find_proxy(world: World) -> Iterator[Finding]:
    """A proxy that this shell goes through, and Docker's builds do not."""
    used = {name: value for name in PROXIES if (value := world.env.get(name) or world.env.get(name.upper()))}
    if not used or world.which("docker") is None:
        return
    folder = Path(world.env.get("DOCKER_CONFIG") or Path(world.env.get("HOME", "/")) / ".docker")
    try:
        settings = json.loads((folder / "config.json").read_text()).get("proxies") or {}
    except (OSError, ValueError, AttributeError):
        settings = {}
    if not settings:
        name = next(iter(used))
        sentence = f"{name} is set here, but {folder / 'config.json'} names no proxy: images are built without it"
        key = "httpsProxy" if name == "https_proxy" else "httpProxy"
        # the address may hold a password
        cure = f'add to config.json: {{"proxies": {{"default": {{"{key}": "(the value of ${name})"}}}}}}'
        yield Finding("proxy-not-in-docker", WARNING, sentence, cure)  # a build may do without


def find_certificates(world: World) -> Iterator[Finding]:
    """A certificate authority of one's own: its file is gone, or images do not know it."""
    for name in CERTIFICATES:
        value = world.env.get(name)
        if value and not Path(value).is_file():
            sentence = f"{name} names {value}, which is no file: every download fails"
            yield world.failure("ca-missing", sentence, f"unset {name}")
        elif value and world.which("docker"):
            sentence = f"{name} is set: a certificate authority of your own, which builds of images do not know"
            cure = "make a Debian 12 image that trusts it, and name it: export ISOMER_BASE_IMAGE=…"
            yield Finding("ca-custom", NOTE, sentence, cure)
            return


def find_python(world: World) -> Iterator[Finding]:
    """The Python that environments are made with, and its venv module."""
    wanted = f"python{venv.PYTHON}"
    found = world.which(wanted)
    if found is None and f"{sys.version_info[0]}.{sys.version_info[1]}" != venv.PYTHON:
        sentence = f"there is no {wanted}, which the locks are made for; uv tries to download one"
        yield world.failure("python-missing", sentence, f"sudo apt-get install {wanted} {wanted}-venv", venv.NAME)
    elif found:
        if world.ask(found, "-c", "import venv, ensurepip").returncode != 0:
            sentence = f"{found} has no venv module: ./inv cannot renew its own environment"
            yield Finding("python-no-venv", WARNING, sentence, f"sudo apt-get install {wanted}-venv")
