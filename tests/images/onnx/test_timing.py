"""Times in turns: what is known of them before they are taken."""

from __future__ import annotations

import time

import numpy as np
import pytest
import timing
from timing import OPENINGS, Times


def made_up(seed: int, factor: float, drift: float) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Rounds of two sessions; each opening has luck of its own for each, and the machine slows both now and then."""
    random = np.random.default_rng(seed)
    first, second = [], []
    for _ in range(OPENINGS):
        machine = 1 + 2 * (random.random(40) < 0.3)
        one, two = np.exp(random.normal(0, drift, 2))
        first.append(0.01 * one * machine * np.exp(random.normal(0, 0.05, 40)))
        second.append(0.01 * two * factor * machine * np.exp(random.normal(0, 0.05, 40)))
    return first, second


@pytest.mark.parametrize("drift", [0.02, 0.1, 0.4])
def test_equal_ones_are_rarely_told_apart(drift):
    said = [timing.ratio(*made_up(seed, 1, drift)).is_noise for seed in range(300)]
    assert sum(said) >= 0.975 * len(said)


@pytest.mark.parametrize("factor", [0.5, 1.2, 3])
def test_the_interval_holds_the_true_ratio(factor):
    found = [timing.ratio(*made_up(seed, factor, 0.02)) for seed in range(300)]
    assert np.mean([one.low <= factor <= one.high for one in found]) >= 0.975
    assert np.median([one.value for one in found]) == pytest.approx(factor, rel=0.01)
    assert not any(one.is_noise for one in found)


def test_everyone_has_its_turn_in_every_round():
    called: list[str] = []
    calls = {name: lambda name=name: called.append(name) for name in "abc"}
    times = timing.alternate(calls, seconds=0.005)
    rounds = len(times["a"].wall)
    assert rounds >= timing.FEWEST and {len(one.wall) for one in times.values()} == {rounds}
    timed = called[3 * timing.WARM_UP :]
    assert all(sorted(timed[place : place + 3]) == ["a", "b", "c"] for place in range(0, len(timed), 3))
    assert len({tuple(timed[place : place + 3]) for place in range(0, len(timed), 3)}) > 1


def test_waiting_costs_no_processor():
    parts = [timing.alternate({"waits": lambda: time.sleep(0.02)}, seconds=0.1)["waits"] for _ in range(2)]
    times = timing.together(parts)
    assert np.median(times.wall) >= 0.02 > 2 * np.median(times.processor)
    assert len(times.wall) == sum(len(part.wall) for part in parts)


def test_figures_of_known_times():
    about = Times(np.arange(1, 101) / 1000, np.full(100, 0.25)).to_json(pictures=4)
    assert (about["p50_ms"], about["runs"], about["processor_ms"]) == (50.5, 100, 250)
    assert about["p95_ms"] == pytest.approx(95.05) and about["p99_ms"] == pytest.approx(99.01)
    assert about["images_per_s"] == pytest.approx(4 / 0.0505, abs=0.01)
    assert about["quantiles_ms"] == sorted(about["quantiles_ms"])
