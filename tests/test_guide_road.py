"""Each guide is the notebook that it opens as: executed cell by cell on few pictures for two steps, saved as a copy."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import guides
import pytest

from launcher import docs, engines, notebook, project

# What a reader has and a test has not: a network, time to train, two seconds for each figure. Whole lines, or parts.
SMALL = (
    (r"^\./inv weights .*", "# fetched with a network"),
    (r"--weights coco", "--weights none"),
    (r" --size 160 --epochs 10", ""),
    (r"^(\./inv data-make shapes).*", r"\1 --train 24 --val 4 --test 6"),
    (r"^(\./inv (train-\w+|pipeline)[^#\n]*).*", r"\1 --steps 2 --size 96 --batch 4 --workers 0"),
    (r"^(\./inv benchmark .*)", r"\1 --seconds 0.05 --batches 1 --threads 1 --size 96"),
    # two steps teach nothing: the answer may be no
    (r"^(\./inv check .*)", r"\1 || test $? = 1"),
)
ROAD = "road"


@pytest.fixture(scope="module", autouse=True)
def data(tmp_path_factory) -> Path:
    """A data volume for all guides, as a reader has it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISOMER_DATA", str(tmp_path_factory.mktemp("guides") / "data"))
        yield project.make_volume().root


def smaller(text: str) -> str:
    """A guide for small data: other numbers in its commands."""

    def block(found: re.Match) -> str:
        lines = found[0].replace("\\\n", " ")
        for old, new in SMALL if found[1] == "bash" else ():
            lines = re.sub(old, new, lines, flags=re.MULTILINE)
        return lines

    return guides.FENCE.sub(block, text)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "said", "made"),
    [
        (ROAD, r" at \d+, \d+ to \d+, \d+", ("models/mine-torch.onnx", "models/mine-tf.onnx", "notebooks/client.png")),
        ("torch", "All keys matched", ("models/shapes-torch.onnx",)),
        ("tf", r"step 2: mAP 0\.\d+, AP50", ("models/shapes-tf.onnx",)),
        ("onnx", r"isomer\.contract", ("reports/shapes-torch/model.html", "predictions/drawn/detections.json")),
    ],
)
def test_every_cell_of_a_guide(data, name, said, made):
    image = "onnx" if name == ROAD else name
    page = docs.ROAD if name == ROAD else project.IMAGES / name / "README.md"
    notebook.lay_out(page)
    copy = notebook.folder() / page.relative_to(project.ROOT)
    copy.write_text(smaller(page.read_text()))
    notebook.execute(engines.load(os.environ.get("ISOMER_TEST_ENGINE", "venv")), image, page)

    executed = json.loads(copy.with_suffix(".ipynb").read_text())
    cells = [cell for cell in executed["cells"] if cell["cell_type"] == "code"]
    wanted = guides.blocks(page, "bash") + guides.blocks(page, "python")
    assert len(cells) == len(wanted) and all(cell["execution_count"] for cell in cells)
    text = "".join("".join(output.get("text", "")) for cell in cells for output in cell["outputs"])
    assert re.search(said, text), text[-3000:]
    assert [path for path in made if not (data / path).is_file()] == []


def answered(request: str | urllib.request.Request) -> dict:
    """What a server answers, once it listens: Jupyter says its address before that."""
    for _ in range(200):
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError:
            time.sleep(0.1)
    raise TimeoutError(request)


@pytest.mark.slow
def test_saving_a_notebook_changes_a_copy_and_its_text(data, root):
    engine = os.environ.get("ISOMER_TEST_ENGINE", "venv")
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port = asked.getsockname()[1]
    page = root / "images" / "tf" / "README.md"
    before = page.read_text()
    command = [root / "inv", "notebook", "tf", "--port", str(port), "--engine", engine]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            token = next(found[1] for line in server.stdout if (found := re.search(r"README.ipynb\?token=(\w+)", line)))
            address = f"http://127.0.0.1:{port}/api/contents/images/tf/README.ipynb?token={token}"
            opened = answered(address)
            cells = opened["content"]["cells"]
            assert cells[0]["source"].startswith("# The tf image")
            assert any(cell["source"].startswith("%%bash -e\n./inv train-tf --data shapes") for cell in cells)
            cells[0]["source"] = "# Mine"
            answered(urllib.request.Request(address, json.dumps(opened).encode(), method="PUT"))
        finally:
            server.send_signal(signal.SIGINT)
            said = server.stdout.read()
    assert server.returncode == 0 and said.endswith("ended\n")
    copy = (data / "notebooks" / "images" / "tf" / "README.md").read_text()
    assert copy.startswith("---\njupyter:") and "\n# Mine\n" in copy and "# The tf image" not in copy
    assert page.read_text() == before
