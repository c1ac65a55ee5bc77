"""What no tool checks: names that two places must agree on, and what may not be in a committed file."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

IDS = {"ISOMER_UID": "1", "ISOMER_GID": "1"}
MACHINE = {"ISOMER_CAMERA": "/dev/video0", "ISOMER_CAMERA_GROUP": "44", "ISOMER_HOSTNAME": "here"}


def images(root: Path) -> list[str]:
    return sorted(path.parent.name for path in root.glob("images/*/Dockerfile"))


def committed(root: Path) -> list[Path]:
    """The files that are, or are about to be, in the repository."""
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
    )
    return [root / line for line in listed.stdout.splitlines() if (root / line).is_file()]


@pytest.mark.parametrize("name", ["compose.yaml", "compose.gpu.yaml"])
def test_every_image_is_two_services(root, name):
    text = (root / name).read_text().split("\nservices:\n")[1]
    found = re.findall(r"^  ([\w-]+):", text, re.MULTILINE)
    assert sorted(found) == sorted([*images(root), *(f"{image}-online" for image in images(root))])


def test_readme_lists_the_images(root):
    text = (root / "README.md").read_text()
    assert [image for image in images(root) if f"images/{image}" not in text] == []


@pytest.mark.parametrize("name", ["Dockerfile", "requirements.in", "requirements.lock", "README.md"])
def test_every_image_has_the_same_files(root, name):
    assert [image for image in images(root) if not (root / "images" / image / name).is_file()] == []


def test_one_base_image_by_digest(root):
    bases = {
        re.search(r"^ARG BASE_IMAGE=(.*)$", (root / "images" / image / "Dockerfile").read_text(), re.MULTILINE)[1]
        for image in images(root)
    }
    assert len(bases) == 1 and re.fullmatch(r"debian:bookworm-slim@sha256:[0-9a-f]{64}", bases.pop())


def test_what_is_locked_is_what_is_asked_for(root):
    """Every version pinned in a requirements file stands in the lock beside it, with hashes."""
    for lock in [path for path in committed(root) if path.suffix == ".lock"]:
        text = lock.read_text()
        pins = re.findall(r"^([\w-]+)(?:\[.*\])?==(\S+)$", lock.with_suffix(".in").read_text(), re.MULTILINE)
        assert [pin for pin in pins if f"{pin[0]}=={pin[1]} " not in text] == [], lock
        assert text.count("--hash=sha256:") >= len(re.findall(r"^[\w.-]+==", text, re.MULTILINE)) > 0


def test_no_index_address_and_no_path_of_a_machine(root):
    # in halves, so that this file passes its own test
    hosts = ["py" + "pi.org", "python" + "hosted.org", "--index" + "-url", "--find" + "-links"]
    unwanted = re.compile("|".join([*map(re.escape, hosts), r"(?<![\w./$}])/(?:root|work|home)/\w"]))
    allowed = {"--no-emit-index-url", "--no-emit-find-links"}
    faults = []
    for path in committed(root):
        if path.suffix in (".png", ".jpg", ".onnx", ".npz"):
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            for word in allowed:
                line = line.replace(word, "")
            if unwanted.search(line):
                faults.append(f"{path.relative_to(root)}:{number}: {line.strip()[:100]}")
    assert faults == []


def test_who_may_import_whom(root):
    """isomer imports no framework; an image's scripts import isomer and their own folder; the launcher no numpy."""
    faults = []
    rules = [
        ("shared/isomer/**/*.py", r"torch|torchvision|tensorflow|lightning|launcher"),
        ("shared/launcher/**/*.py", r"numpy|PIL|onnx|torch|tensorflow"),
        ("images/**/*.py", r"launcher|images"),
        ("images/tf/*.py", r"torch|torchvision|lightning|onnxruntime"),
        ("images/torch/*.py", r"tensorflow|onnxruntime"),
        ("images/onnx/*.py", r"torch|torchvision|tensorflow|lightning"),
    ]
    for pattern, names in rules:
        forbidden = re.compile(rf"^\s*(?:import|from) (?:{names})\b", re.MULTILINE)
        faults += [str(path.relative_to(root)) for path in root.glob(pattern) if forbidden.search(path.read_text())]
    assert faults == []


def test_compose_accepts_the_files(root):
    try:
        subprocess.run(["docker", "compose", "version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no docker compose here")
    for added in ((), ("compose.gpu.yaml",), ("compose.camera.yaml", "compose.screen.yaml")):
        files = [word for name in ("compose.yaml", *added) for word in ("-f", name)]
        done = subprocess.run(
            ["docker", "compose", *files, "config", "--format", "json"],
            cwd=root,
            env={**os.environ, **IDS, **MACHINE, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        for name, service in json.loads(done.stdout)["services"].items():
            assert service["environment"]["NO_COLOR"] == "1", "a container with a terminal would be colourful"
            assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["init"], name
            assert service["security_opt"] == ["no-new-privileges:true"] and service["user"] == "1:1", name
            assert service["network_mode"] == ("bridge" if name.endswith("-online") else "none"), name


def test_readme_lists_the_verbs(root):
    import tasks

    text = (root / "README.md").read_text()
    assert [verb for verb in tasks.namespace.task_names if f"`{verb}`" not in text] == []
