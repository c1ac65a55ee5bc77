"""NVIDIA cards: their driver, and what each image's CUDA asks of both.

Least drivers: https://docs.nvidia.com/deploy/cuda-compatibility (minor version compatibility). Least compute
capabilities: CUDA 13 builds for nothing below 7.5; TensorFlow's wheels of CUDA 12 hold nothing below 6.0 since 2.17.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from launcher import project
from launcher.checkup import NOTE, WARNING, Finding, World, containers
from launcher.engines import docker, venv

NVIDIA_VENDOR, DISPLAY_CLASSES = "0x10de", ("0x0300", "0x0302")  # of /sys/bus/pci: VGA and 3D controllers
RUNTIME = "nvidia"
SLURM = "slurm"
DRIVERS = {11: 450, 12: 525, 13: 580}  # by CUDA's major version
CAPABILITIES = {11: 3.5, 12: 6.0, 13: 7.5}
INSTALL_DRIVER = "sudo apt-get install nvidia-driver    # Ubuntu: sudo ubuntu-drivers install; then restart"
LIST_PROVIDERS = """import onnxruntime, sys
onnxruntime.preload_dlls()
from onnxruntime.capi import _pybind_state as state
sys.exit("CUDAExecutionProvider" not in onnxruntime.get_available_providers())"""


@dataclass(frozen=True)
class Card:
    """A GPU as nvidia-smi lists it."""

    name: str
    driver: int  # its major version
    capability: float


def find_driver(world: World) -> Iterator[Finding]:
    """A card without a driver that answers; or no card at all."""
    present = _has_card(world)
    program = world.which("nvidia-smi")
    if not present and program is None and world.engine == SLURM:
        return  # jobs compute elsewhere
    if not present and program is None:
        yield Finding(
            "gpu-none", NOTE, "no NVIDIA card: training and export on the CPU", "./inv pipeline    # as it is"
        )
    elif program is None:
        yield Finding("driver-missing", WARNING, "an NVIDIA card is there, but no driver for it", INSTALL_DRIVER)
    elif cards(world) is None:
        answer = world.ask(program, "-L")
        why = (answer.stdout + answer.stderr).strip().splitlines()
        said = f": {why[0]}" if why else ""
        yield Finding("driver-broken", WARNING, f"the NVIDIA driver does not answer{said}", "sudo reboot")


def find_old_driver(world: World) -> Iterator[Finding]:
    """Per image: a driver older than its CUDA asks for, a card that its CUDA no longer knows."""
    for image, cuda in image_cuda().items():
        for card in cards(world) or ():
            if card.driver < DRIVERS[cuda]:
                sentence = (
                    f"the NVIDIA driver {card.driver} is too old for the {image} image: CUDA {cuda} asks for"
                    f" {DRIVERS[cuda]} or newer"
                )
                yield Finding(f"driver-too-old-{image}", WARNING, sentence, INSTALL_DRIVER)
            if card.capability < CAPABILITIES[cuda]:
                sentence = (
                    f"{card.name} has compute capability {card.capability}; CUDA {cuda} of the {image} image asks for"
                    f" {CAPABILITIES[cuda]} or higher"
                )
                cure = f"./inv … --device cpu    # for every step in the {image} image"
                yield Finding(f"card-too-old-{image}", WARNING, sentence, cure)


def find_toolkit(world: World) -> Iterator[Finding]:
    """A working card that Docker does not hand to containers, or that an image does not see."""
    if not cards(world):
        return
    try:
        runtimes = containers.information(world).get("Runtimes") or {}
    except containers.UNREACHABLE:
        return
    if RUNTIME not in runtimes:
        configure = "sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker"
        cure = configure
        if world.which("nvidia-ctk") is None:
            cure = f"sudo apt-get install nvidia-container-toolkit && {configure}"
        sentence = "the GPU is there, but the Docker engine has no NVIDIA runtime: steps in containers do not see it"
        yield Finding("toolkit-not-configured", WARNING, sentence, cure)
        return
    for image in project.images():
        if world.engine == docker.NAME and docker.is_ready(image):
            argv = ["docker", "run", "--rm", "--gpus", "all", "--network", "none", docker.image_tag(image)]
            done = world.ask(*argv, "nvidia-smi", "-L")
            if done.returncode != 0:
                said = (done.stderr or done.stdout).strip().splitlines()[-1:]
                sentence = f"the GPU is visible here, but not in the {image} image: {''.join(said)}"
                cure = "sudo systemctl restart docker    # and: no-cgroups = false in the NVIDIA runtime's config.toml"
                yield Finding(f"gpu-hidden-{image}", WARNING, sentence, cure)
            return  # one container tells it for all: they start alike


def find_runtime_on_cpu(world: World) -> Iterator[Finding]:
    """ONNX Runtime with a GPU beside it that it cannot use."""
    tools = _image_with_runtime()
    if not cards(world) or world.engine != venv.NAME or tools is None or not venv.is_ready(tools):
        return
    done = world.ask(str(venv.folder(tools) / "bin" / "python"), "-c", LIST_PROVIDERS)
    if done.returncode != 0:
        sentence = "a GPU is there, but ONNX Runtime can only compute on the CPU here"
        yield Finding("onnxruntime-on-cpu", WARNING, sentence, f"./inv build --engine venv --image {tools}")


def cards(world: World) -> list[Card] | None:
    """The GPUs that the driver shows; None where it does not answer, or is not there."""
    program = world.which("nvidia-smi")
    if program is None:
        return None
    done = world.ask(program, "--query-gpu=name,driver_version,compute_cap", "--format=csv,noheader")
    if done.returncode != 0:
        return None
    lines = [line.rsplit(", ", 2) for line in done.stdout.strip().splitlines()]
    return [Card(name, int(driver.split(".")[0]), float(capability)) for name, driver, capability in lines]


def image_cuda() -> dict[str, int]:
    """CUDA's major version in each image that has it, from the image's lock."""
    found = {}
    for image in project.images():
        lock = project.lock_of(image).read_text()
        known = re.search(r"^nvidia-cuda-runtime(?:-cu\d+)?==(\d+)\.", lock, re.MULTILINE)
        if known:
            found[image] = int(known[1])
    return found


def _image_with_runtime() -> str | None:
    """The image whose lock holds ONNX Runtime for GPUs."""
    images = [name for name in project.images() if "\nonnxruntime-gpu==" in project.lock_of(name).read_text()]
    return images[0] if images else None


def _has_card(world: World) -> bool:
    for device in (world.sys / "bus" / "pci" / "devices").glob("*"):
        vendor, kind = ((device / name).read_text().strip() for name in ("vendor", "class"))
        if vendor == NVIDIA_VENDOR and kind.startswith(DISPLAY_CLASSES):
            return True
    return False
