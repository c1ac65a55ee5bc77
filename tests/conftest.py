"""Where tests find what they test: the shared library, the scripts of the image they run in, real cases."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "shared"), str(ROOT), str(ROOT / "tests")]

import slurm_cluster  # noqa: E402 (found by the path above)
from browser import NAMES, Browser, find  # noqa: E402

# Inside an image: the folder of its scripts, as the launcher names it.
SCRIPTS = os.environ.get("ISOMER_SCRIPTS")
if SCRIPTS:
    sys.path.insert(0, SCRIPTS)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository (in a container, what of it is there)."""
    return ROOT


@pytest.fixture(scope="session")
def scripts() -> Path:
    """The folder of the scripts of the image that the test runs in."""
    if not SCRIPTS:
        pytest.skip("ISOMER_SCRIPTS names no image's folder: run it by ./inv test")
    return Path(SCRIPTS)


@pytest.fixture(scope="session")
def cases() -> Path:
    """Real datasets and models, where this machine has them."""
    folder = Path(os.environ.get("ISOMER_CASES", ROOT.parent / "shared" / "cases"))
    if not folder.is_dir():
        pytest.skip(f"no real cases at {folder} (ISOMER_CASES)")
    return folder


@pytest.fixture(scope="session")
def browser(tmp_path_factory) -> Iterator[Browser]:
    """A headless browser to drive; tests that need one skip where none is installed."""
    program = find()
    if program is None:
        pytest.skip(f"no browser is installed ({', '.join(NAMES)})")
    made = Browser(program, tmp_path_factory.mktemp("browser") / "profile")
    yield made
    made.close()


@pytest.fixture(scope="session")
def slurm(tmp_path_factory) -> Iterator[slurm_cluster.Cluster]:
    """A Slurm cluster of two nodes on this machine; tests that need one skip where none can be started."""
    yield from slurm_running(tmp_path_factory)


@pytest.fixture(scope="session")
def slurm_with_accounts(tmp_path_factory) -> Iterator[slurm_cluster.Cluster]:
    """One that knows accounts (`lab`), and refuses at once what no partition can ever run."""
    yield from slurm_running(tmp_path_factory, accounts=True)


def slurm_running(folders, accounts: bool = False) -> Iterator[slurm_cluster.Cluster]:
    if os.environ.get("ISOMER_TEST_ENGINE") == "docker":
        pytest.skip("jobs run in the venv engine's environments: ./inv test --engine venv")
    if lacking := slurm_cluster.missing(accounts):
        pytest.skip(lacking)
    cluster = slurm_cluster.Cluster(folders.mktemp("slurm"), os.getpid(), accounts)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
