"""report as the launcher starts it: the page is written, or the reason is told."""

import os
import subprocess
import sys
from html import unescape
from pathlib import Path

import onnx
import pytest
from PIL import Image

from isomer import contract, files
from isomer.dataset import canonical
from isomer.dataset.canonical import Box, Picture

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def root(tmp_path) -> Path:
    folder = tmp_path / "datasets" / "pets"
    (folder / "images").mkdir(parents=True)
    Image.new("RGB", (100, 80), "navy").save(folder / "images" / "1.png")
    canonical.write(folder, ("cat",), {"test": (Picture(1, "1.png", 100, 80, (Box(1, 5, 5, 40, 40),)),)}, {})
    return tmp_path


def run(root: Path, *argv: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, REPOSITORY / "images/onnx/report.py", *argv],
        env=os.environ | {"ISOMER_DATA": str(root), "PYTHONPATH": str(REPOSITORY / "shared")},
        capture_output=True,
        text=True,
    )


def test_writes_the_page_and_says_where(root):
    done = run(root, "--data", "pets")
    assert done.returncode == 0, done.stderr
    path = root / "reports" / "pets" / "index.html"
    assert str(path) in done.stdout
    assert "<h1>pets</h1>" in path.read_text()
    assert sorted(item.name for item in path.parent.iterdir()) == ["index.html", "pictures"], "no temporary file stays"
    assert [item.name for item in (path.parent / "pictures").iterdir()] == ["1.png"]


def test_unknown_dataset(root):
    done = run(root, "--data", "pet")
    assert done.returncode == 2
    assert "unknown dataset 'pet'; did you mean 'pets'? Known: pets" in done.stderr
    assert not (root / "reports").exists()


def test_a_report_is_of_one_thing(root):
    done = run(root, "--run", "one", "--model", "two")
    assert done.returncode == 2
    assert "--run and --model: a report is of one thing" in done.stderr


def test_page_of_a_run(bench):
    done = run(bench.root, "--run", "toy-run")
    assert done.returncode == 0, done.stderr
    assert "<h1>toy-run</h1>" in (bench.root / "reports" / "toy-run" / "run.html").read_text()


def test_page_of_a_model(bench):
    bench.assemble()
    bench.gate()
    benchmark = {"models": [{"name": "toy-run", "sha256": files.sha256_of_file(bench.published)}], "frame": [48, 64]}
    times = {"p50_ms": 1.25, "p95_ms": 2.5, "images_per_s": 800.0}
    benchmark["cells"] = [{"provider": "CPU", "batch": 4, "threads": 2, "models": {"toy-run": times}}]
    files.write_json(bench.root / "reports" / "toy-run" / "benchmark.json", benchmark)
    seen = page_of_model(bench)
    assert "Meets the contract and passed the gate" in seen
    for check in bench.verdict()["checks"]:
        assert check["name"] in seen
    for output in contract.OUTPUTS:
        assert f"<code>{output}</code>" in seen
    assert "1.2 ms" in seen
    assert files.sha256_of_file(bench.published)[:12] in seen


def test_page_of_a_model_that_was_changed_after_the_gate(bench):
    bench.assemble()
    bench.gate()
    model = onnx.load(bench.published)
    model.graph.output.pop()
    bench.published.write_bytes(model.SerializeToString())
    seen = page_of_model(bench)
    assert "The file breaks the contract" in seen
    assert "Value" not in seen, "the verdict was on another file"
    (bench.root / "models" / "toy-run.gate.json").unlink()
    assert "The file breaks the contract" in page_of_model(bench)


def test_unknown_model(bench):
    done = run(bench.root, "--model", "toy")
    assert done.returncode == 2
    assert "unknown model 'toy'" in done.stderr


def page_of_model(bench) -> str:
    done = run(bench.root, "--model", "toy-run")
    assert done.returncode == 0, done.stderr
    html = (bench.root / "reports" / "toy-run" / "model.html").read_text()
    return unescape(html[html.index("<body>") : html.index("<footer>")])
