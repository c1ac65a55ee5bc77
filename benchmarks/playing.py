"""What `play` does in a browser: frames a second of a webcam of 640x480, by headless Chromium on its fake camera.

    PYTHONPATH=shared:images/onnx:tests ENVIRONMENT/bin/python benchmarks/playing.py WEB MODEL.onnx [MODEL.onnx ...]

in the onnx image's environment; WEB is the folder of onnxruntime-web's files, which `./inv play` names in its command.
Each model alone, then all of them side by side. Beside what came on the clock stands what a frame took of the
processors (decoding, model, drawing: all of the browser's processes), which other work on the machine lengthens little;
frames a second that one free processor would give follow from that.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import play
import published
from browser import Browser, find
from rich.console import Console
from rich.table import Table

CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
WARM_UP, SECONDS = 3, 15
LIMIT = 5  # frames a second
COLLECT = """globalThis.took = sides.map((side) => {
    const list = [], find = side.model.find.bind(side.model);
    side.model.find = async (picture) => { const answer = await find(picture); list.push(answer.ms); return answer; };
    return list;
})"""


def main() -> None:
    web, *paths = map(Path, sys.argv[1:])
    models = [published.read(path) for path in paths] or sys.exit(__doc__)
    table = Table(*("models", "frames/s", "model ms p50", "processor ms a frame", "frames/s of one", f"≥ {LIMIT}"))
    alone = [[model] for model in models]
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        browser = Browser(find() or sys.exit("no browser is installed"), Path(folder) / "profile", CAMERA)
        stack.enter_context(contextlib.closing(browser))
        for shown in [*alone, models] if models[1:] else alone:
            table.add_row(" + ".join(model.name for model in shown), *measure(browser, shown, web))
    Console().print(table)


def measure(browser: Browser, models: Sequence[published.Published], web: Path) -> list[str]:
    """A row of the table."""
    with play.open_server("127.0.0.1", 0, play.answers(list(models), web)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        tab = browser.open(f"http://localhost:{server.server_port}/")
        tab.wait("document.body.dataset.state === 'ready'", 60)
        tab.click("#camera")
        tab.wait("sides.every(({size}) => size[0])", 60)
        time.sleep(WARM_UP)
        tab.run(COLLECT)
        start, before = time.monotonic(), processor_seconds(browser)
        time.sleep(SECONDS)
        took = tab.run("took")
        seconds, processor = time.monotonic() - start, processor_seconds(browser) - before
        size = tab.run("sides[0].size")
        assert size == [640, 480], size
        tab.close()
        server.shutdown()
    return row(took, seconds, processor)


def row(took: list[list[float]], seconds: float, processor: float) -> list[str]:
    rates = [len(times) / seconds for times in took]
    frame = processor / sum(map(len, took))
    return [
        " + ".join(f"{rate:.1f}" for rate in rates),
        " + ".join(f"{statistics.median(times):.0f}" for times in took),
        f"{frame * 1000:.0f}",
        f"{1 / frame:.1f}",
        "yes" if min(rates) >= LIMIT else "NO",
    ]


def processor_seconds(browser: Browser) -> float:
    """What all processes of the browser have used."""
    return sum(process["cpuTime"] for process in browser.call("SystemInfo.getProcessInfo")["processInfo"])


if __name__ == "__main__":
    main()
