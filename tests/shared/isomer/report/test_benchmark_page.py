"""The page of a benchmark, in a browser: verdicts, every cell, charts, shares, memory."""

from __future__ import annotations

import pytest

from isomer.report import benchmark_page


def times(p50: float, batch: int) -> dict:
    quantiles = [round(p50 * (0.9 + place / 100), 3) for place in range(20)]
    figures = {"p50_ms": p50, "p95_ms": p50 * 1.2, "p99_ms": p50 * 2, "mean_ms": p50, "processor_ms": p50, "runs": 99}
    return figures | {"images_per_s": 1000 * batch / p50, "quantiles_ms": quantiles}


def ratio(value: float, noise: bool) -> dict:
    one = {"value": value, "low": value - 0.1, "high": value + 0.1, "within_noise": noise}
    return {"wall": one, "processor": one}


def model(name: str, parts: bool) -> dict:
    profile = {
        "operators": {"Conv": 0.75, "<i>Own</i>": 0.25},
        "parts": {"head": 0.1, "core": 0.8, "tail": 0.1} if parts else None,
        "nodes": {"CPUExecutionProvider": 123},
        "detections": 7,
    }
    memory = {"provider": "cpu", "batch": 1, "threads": 1, "load_s": 0.25, "first_s": 0.02}
    return {
        "name": name,
        "architecture": "made up",
        "input_size": "160",
        "bytes": 9_400_000,
        "profile": {"batch": 1, "threads": 1, "providers": {"cpu": profile}},
        "memory": [memory | {"bare_bytes": 60_000_000, "peak_bytes": 110_000_000}],
    }


def report(*names: str) -> dict:
    cells = [
        {
            "provider": "cpu",
            "batch": batch,
            "threads": 1,
            "models": {name: times(8.0 * batch * (place + 1), batch) for place, name in enumerate(names)},
            "ratios": {name: ratio(2.0, False) if batch == 1 else ratio(1.0, True) for name in names[1:]},
        }
        for batch in (1, 4)
    ]
    return {
        "machine": {"processor": "Abacus", "processors": 2, "onnxruntime": "1.0", "load": 5.0},
        "frame": [480, 640],
        "absent_providers": {"cuda": "not built in"},
        "models": [model(name, place == 0) for place, name in enumerate(names)],
        "cells": cells,
    }


@pytest.fixture
def show(browser, tmp_path):
    opened = []

    def call(value: dict, **emulation):
        path = tmp_path / "page.html"
        path.write_text(benchmark_page.render(value))
        opened.append(browser.open(path.as_uri(), **emulation))
        return opened[-1]

    yield call
    for tab in opened:
        tab.close()


def test_two_models(show):
    tab = show(report("one", "two"))
    text = tab.run("document.body.innerText")
    assert "two takes 2.00 times as long as one (cpu, batches of 1, 1 thread; 99 %: 1.90–2.10)" in text
    assert "two and one do not differ by more than noise (cpu, batches of 4, 1 thread)" in text
    assert "The machine was busy" in text and "cuda was not used: not built in" in text
    assert "<i>Own</i>" in text and "75.0%" in text and "110.0 MB" in text and "50.0 MB" in text
    assert tab.run("document.querySelectorAll('#latency tbody tr').length") == 4
    tab.click("#latency .chart")
    tab.wait("document.querySelectorAll('#latency .chart canvas').length === 3")
    assert tab.complaints() == [] and tab.requests() == []


def test_one_model_on_a_phone_has_no_ratios(show):
    tab = show(report("one"), width=390, dark=True)
    text = tab.run("document.body.innerText")
    assert "times as long" not in text and "noise" not in text
    assert tab.run("document.documentElement.scrollWidth <= innerWidth")
    assert tab.complaints() == []
