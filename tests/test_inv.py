"""./inv from outside: the verbs it shows, how fast, and what it says to a mistyped one."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

IMAGES = ("torch", "tf")
VERBS = ["build", "check", "clean", "conflicts", "data-import", "data-make", "doctor", "lock", "parity", "pipeline"]
VERBS += [
    "report",
    "shell",
    "test",
    *(f"{verb}-{image}" for verb in ("train", "predict", "export") for image in IMAGES),
]


def inv(root: Path, *words: str, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(root / "inv"), *words], capture_output=True, text=True, check=False, env={**os.environ, **env}
    )


def processor_seconds(root: Path, *command: str) -> float:
    """The least of three: what a command takes of the processor, which other programs lengthen less than its time."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, capture_output=True, check=True, cwd=root)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return min(once() for _ in range(3))


def test_list_shows_every_verb_with_one_line_in_under_a_second(root):
    done = inv(root, "--list")
    assert processor_seconds(root, "./inv", "--list") < 1
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines() if line.startswith("  ")]
    shown = {line[0]: line[1] for line in lines if len(line) == 2}
    assert sorted(set(VERBS) - set(shown)) == []
    assert len(lines) == len(shown), "a verb's line is broken in two"


def test_inv_adds_little_to_invoke(root):
    python = str(root / ".venv" / "bin" / "python")
    own, bare = (processor_seconds(root, *command, "--list") for command in (("./inv",), (python, "tasks.py")))
    assert own - bare <= 0.2


def test_invoke_knows_the_same_verbs(root):
    done = subprocess.run(
        [str(root / ".venv" / "bin" / "invoke"), "--list"], capture_output=True, text=True, check=True, cwd=root
    )
    assert all(f"  {verb} " in done.stdout for verb in VERBS)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["train-troch"], "unknown verb 'train-troch'; did you mean 'train-torch'? Known: benchmark, build,"),
        (["train-torch", "--epoch", "3"], "train-torch has no flag '--epoch'; did you mean '--epochs'?"),
        (["train-torch", "--epochs"], "--epochs needs a value"),
        (["train-torch", "shapes"], "'shapes' is one word too many"),
        (["data-import"], "data-import needs PATH"),
        (["train-torch", "--epochs", "0"], "--epochs: 0 is not a whole number, at least 1"),
        (["check", "/no/such/file"], "no such file or folder: /no/such/file"),
        (["report", "--engine", "docker"], "the docker engine cannot be used"),
    ],
)
def test_a_wrong_line_is_a_sentence_and_an_exit_code(root, words, says):
    done = inv(root, *words, DOCKER_HOST="unix:///no/such/socket")
    assert done.returncode == 2
    assert says in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(root, verb):
    done = inv(root, verb, "--help")
    assert done.returncode == 0 and done.stdout.startswith(f"Usage: ./inv {verb}")


def test_without_python_it_says_what_it_needs(root, tmp_path):
    clone = copy_of(root, tmp_path)
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "cat", "cut", "dirname", "flock", "mkdir", "rm", "sha256sum", "env"):
        (tools / name).symlink_to(shutil.which(name))
    done = inv(clone, "--list", PATH=str(tools))
    assert done.returncode == 2 and "needs Python 3.11 or newer" in done.stderr


@pytest.mark.slow
def test_a_half_made_environment_heals_and_a_changed_lock_makes_it_anew(root, tmp_path):
    clone = copy_of(root, tmp_path)
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "bin" / "python").write_text("half made")
    assert inv(clone, "--list").returncode == 0
    made = (clone / ".venv" / "stamp").stat().st_mtime_ns
    assert inv(clone, "--list").returncode == 0
    assert (clone / ".venv" / "stamp").stat().st_mtime_ns == made
    lock = clone / "requirements.lock"
    lock.write_text(f"{lock.read_text()}# changed\n")
    assert inv(clone, "--list").returncode == 0
    assert (clone / ".venv" / "stamp").stat().st_mtime_ns != made


def copy_of(root: Path, tmp_path: Path) -> Path:
    """What ./inv needs of the repository, elsewhere."""
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("inv", "tasks.py", "requirements.lock"):
        shutil.copy(root / name, clone / name)
    for name in ("shared", "images"):
        shutil.copytree(root / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    return clone
