"""The plan past this machine: its arithmetic by hand, and the page that is in the repository."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.append(str(BENCHMARKS))

import planning  # noqa: E402 (found by the path above)

ABOUT = {"name": "a_model", "parameters": 25_000_000, "gradient_bytes": 100_000_000, "checkpoint_bytes": 300_000_000}
FRAMEWORK = {
    "framework": "torch",
    "reading": {"pictures_per_s": 50.0, "picture_bytes": 30_000},
    "loading": {"files": 3000, "bytes": 1},
    "evaluating_s": 0.01,
}
ASSUMED = {one.name: float(one.value) for one in planning.ASSUMED}


@pytest.fixture
def plan() -> planning.Plan:
    return planning.Plan({**ABOUT, "checkpoint_s": 1.5}, FRAMEWORK, ASSUMED, 100.0)


def test_each_of_n_sends_all_bytes_twice_less_its_own_share(plan):
    assert [plan.exchanged(gpus) for gpus in (1, 2, 8)] == [0, 100e6, 175e6]
    # in a node 175 MB over 300 GB/s and 14 messages; between 8 nodes 175 MB over 25 GB/s and 14 more
    assert plan.exchange_seconds(8) == pytest.approx(0.175 / 300 + 14 * 5e-6)
    assert plan.exchange_seconds(64) == pytest.approx(0.175 / 300 + 0.175 / 25 + 28 * 5e-6)


def test_what_is_read_grows_with_the_gpus(plan):
    assert plan.read_bytes(512) == pytest.approx(512 * 100 * 163_000)
    assert plan.operations(512) == 512 * 100 * 2
    assert plan.reading_cores == 2
    assert plan.start_seconds(64) == 64 * 3000 * 2 / 12_000


def test_evaluation_has_a_part_that_no_gpu_shares(plan):
    assert plan.evaluation_seconds(1) == pytest.approx(5000 / 300 + 50)
    assert plan.evaluation_seconds(512) == pytest.approx(5000 / 300 / 512 + 50)
    assert plan.training_seconds(8) == pytest.approx(10 * 118_287 / 800)


def test_what_breaks_breaks_from_there_on_and_not_before(plan):
    found = {one.what: one.gpus for one in plan.breaks()}
    assert found["pictures are opened faster than the file system can"] == 61  # 60 open 12,000 a second
    assert found["`--batch 16` leaves a GPU fewer than 2 pictures"] == 9
    assert not any("checkpoints" in what or "cores" in what for what in found)
    assert [one.gpus for one in plan.breaks()] == sorted(one.gpus for one in plan.breaks())
    for gpus, efficient in ((found["the exchange takes more than 10%"], False),):
        assert (plan.efficiency(gpus) >= 0.9) is efficient and plan.efficiency(gpus - 1) >= 0.9


def test_the_page_is_what_the_measured_figures_give():
    done = subprocess.run([sys.executable, BENCHMARKS / "planning.py"], capture_output=True, text=True, check=True)
    assert (BENCHMARKS / "planning.md").read_text() == done.stdout


def test_a_flag_changes_the_plan():
    command = [sys.executable, BENCHMARKS / "planning.py", "--operations", "192000"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "192,000 1/s" in done.stdout
    measured = json.loads((BENCHMARKS / "planning.json").read_text())
    assert set(measured) == {"torch", "tf"}
