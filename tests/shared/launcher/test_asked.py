"""`./inv` of a notebook's cells: run out here, with the cell's output and exit code, no further than a notebook."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from isomer import asking
from launcher import asked, project


@pytest.fixture(params=["data", "d" * 120], ids=["short", "longer than a socket's address"])
def volume(request, tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("ISOMER_DATA", str(tmp_path / request.param))
    (tmp_path / request.param / "notebooks").mkdir(parents=True)
    return tmp_path / request.param


@pytest.fixture
def cell(volume, root):
    """Starts what a cell types, as `./inv` in the folder of the notebooks, or in another one."""
    program = volume / "notebooks" / "inv"
    program.write_text(asking.PROGRAM)
    program.chmod(0o755)

    def start(place: Path, *words: str, folder: Path | None = None) -> subprocess.Popen:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        env = {**os.environ, "PATH": path, "PYTHONPATH": str(root / "shared"), asking.VARIABLE: str(place)}
        return subprocess.Popen(
            [program, *words],
            cwd=folder or volume / "notebooks",
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def stub(monkeypatch, tmp_path: Path, code: str) -> None:
    """A launcher that does something else."""
    (tmp_path / "tasks.py").write_text(code)
    monkeypatch.setattr(project, "ROOT", tmp_path)


def test_the_verb_has_the_cells_words_folder_output_and_exit_code(cell, volume, monkeypatch, tmp_path):
    shown = "sys.argv[1:], os.path.relpath(os.getcwd(), os.environ['ISOMER_DATA']), os.environ['ISOMER_ENGINE']"
    stub(monkeypatch, tmp_path, f"import os, sys\nprint({shown})\nprint('no', file=sys.stderr)\nsys.exit(7)")
    (volume / "notebooks" / "data").symlink_to("..")
    (volume / "runs").mkdir()
    with asked.answering("docker", volume / "notebooks") as place:
        child = cell(place, "evaluate", "--data", "a b", "--split", "test")
        said = "['evaluate', '--data', 'a b', '--split', 'test'] notebooks docker\n"
        assert child.communicate(timeout=20) == (said, "no\n")
        assert child.returncode == 7
        child = cell(place, "runs", folder=volume / "notebooks" / "data" / "runs")
        assert child.communicate(timeout=20)[0] == "['runs'] runs docker\n"


def test_a_verb(cell, volume):
    with asked.answering("venv", volume / "notebooks") as place:
        child = cell(place, "runs", "--json")
        out, err = child.communicate(timeout=30)
        assert (child.returncode, out.strip(), err) == (0, "[]", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("shell", "torch"), "not for a notebook"),
        (("runs", "clean", "--data"), "not for a notebook"),
        (("data-import", "/etc"), "outside of the data volume"),
        (("data-import", "../../photos"), "outside of the data volume"),
        (("data-export", "--to=/tmp/x"), "outside of the data volume"),
        (("data-import", "~/photos"), "outside of the data volume"),
        (("train-torch", "--engine", "venv"), "the engine that the notebook was opened with"),
        (("runs", "-f", "evil.py"), "no verb takes Python"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_a_notebook_reaches_its_data_volume_alone(cell, volume, monkeypatch, tmp_path, words, said):
    stub(monkeypatch, tmp_path, "raise SystemExit('started')")
    with asked.answering("venv", volume / "notebooks") as place:
        child = cell(place, *words)
        out, err = child.communicate(timeout=20)
        assert (child.returncode, out) == (2, "") and said in err and "started" not in err


def test_a_link_that_leads_outside(cell, volume, monkeypatch, tmp_path):
    stub(monkeypatch, tmp_path, "raise SystemExit('started')")
    (volume / "notebooks" / "etc").symlink_to("/etc")
    with asked.answering("venv", volume / "notebooks") as place:
        assert "outside of the data volume" in cell(place, "data-import", "etc/ssl").communicate(timeout=20)[1]


ENDLESS = """
import pathlib, time
here = pathlib.Path(__file__).parent
try:
    (here / "started").touch()
    time.sleep(60)
except KeyboardInterrupt:
    (here / "interrupted").touch()
"""


def awaited(path: Path) -> bool:
    for _ in range(200):
        if path.exists():
            return True
        time.sleep(0.05)
    return False


def test_an_interrupted_cell_interrupts_its_verb(cell, volume, monkeypatch, tmp_path):
    stub(monkeypatch, tmp_path, ENDLESS)
    with asked.answering("venv", volume / "notebooks") as place:
        child = cell(place, "train-torch")
        assert awaited(tmp_path / "started")
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=20)
        assert child.returncode == 130 and awaited(tmp_path / "interrupted")


def test_the_end_of_the_notebook_interrupts_its_verbs(cell, volume, monkeypatch, tmp_path):
    stub(monkeypatch, tmp_path, ENDLESS)
    with asked.answering("venv", volume / "notebooks") as place:
        child = cell(place, "train-torch")
        assert awaited(tmp_path / "started")
    assert (tmp_path / "interrupted").exists() and not place.exists()
    child.communicate(timeout=20)
    assert "the launcher that opened this notebook does not answer" in cell(place, "runs").communicate(timeout=20)[1]


def test_outside_of_a_notebook(cell, volume, tmp_path):
    child = cell(tmp_path / "none", "runs", folder=tmp_path)
    assert "works below the data volume" in child.communicate(timeout=20)[1] and child.returncode == 2
