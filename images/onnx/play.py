"""play: a page on this machine where models run in the browser itself, on dropped pictures or a webcam.

The server hands out files and nothing else: pictures stay in the browser.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import onnx
import published
from published import Published

from isomer import report
from isomer.contract import Thresholds
from isomer.errors import UserError, run_main
from isomer.flags import Play, parse
from isomer.graph import parts
from isomer.volume import Volume

PAGE = Path(__file__).parent / "page"
REPORT = Path(report.__file__).parent
LOWEST = 0.05  # the score that the page's slider goes down to, where the model can
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".onnx": "application/octet-stream",
    ".wasm": "application/wasm",
    "": "text/plain; charset=utf-8",
}
HEADERS = {
    # without these two a page has no SharedArrayBuffer, and WebAssembly no threads
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' blob: data:; media-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class Answer:
    """What is answered at one path."""

    mime: str
    body: bytes


def main() -> None:
    options = parse(Play, prog="play")
    models = published.find(Volume.from_environment(), options.model)
    server = open_server(options.host, options.port, answers(models, options.web))
    names = " and ".join(model.name for model in models)
    print(f"http://localhost:{options.port}/ runs {names}; Ctrl-C ends it", flush=True)
    with server, contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


def answers(models: list[Published], web: Path) -> dict[str, Answer]:
    """Everything that the server has, by path.

    Args:
        web: the folder of onnxruntime-web's files.

    Raises:
        UserError: they are not there.
    """
    if not web.is_dir():
        raise UserError(f"--web {web}: onnxruntime-web is not there; ./inv play fetches it")
    files = {f"/{path.name}": path for path in sorted(PAGE.iterdir()) if path.suffix in TYPES and path.suffix}
    files |= {f"/{name}": REPORT / name for name in ("style.css", "page.js")}
    files |= {f"/ort/{path.name}": path for path in sorted(web.iterdir())}
    found = {path: Answer(TYPES[file.suffix], file.read_bytes()) for path, file in files.items()}
    found["/"] = found.pop("/index.html")
    for number, model in enumerate(models):
        found[f"/models/{number}.onnx"] = Answer(TYPES[".onnx"], lowered(model).SerializeToString())
    described = [describe(model, f"/models/{number}.onnx") for number, model in enumerate(models)]
    found["/models.json"] = Answer(TYPES[".json"], json.dumps(described).encode())
    return found


def lowest(model: Published) -> float:
    """The score above which the page can show a model's detections: one with a graph of its own has its own."""
    return min(LOWEST, model.score_threshold) if parts.has_thresholds(model.model) else model.score_threshold


def lowered(model: Published) -> onnx.ModelProto:
    """The model as the page gets it: it reports everything that the slider may ask for."""
    if not parts.has_thresholds(model.model):
        return model.model
    iou = model.about["iou_threshold"] if parts.has_raw(model.model) else Thresholds.iou
    return parts.with_thresholds(model.model, Thresholds(lowest(model), float(iou), int(model.about["max_detections"])))


def describe(model: Published, url: str) -> dict[str, Any]:
    """What the page must know of a model besides its file."""
    about = model.about
    return {
        "name": model.name,
        "url": url,
        "classes": model.classes,
        "channels": about["channels"],
        "batch": model.batch,
        "threshold": model.score_threshold,
        "lowest": lowest(model),
        "framework": about["framework"],
        "architecture": about.get("architecture"),
        "size": about["size"],
        "precision": about.get("precision", "fp32"),
        "bytes": model.path.stat().st_size,
    }


def open_server(host: str, port: int, found: dict[str, Answer]) -> ThreadingHTTPServer:
    """A server of these answers that listens already.

    Raises:
        UserError: it cannot listen there.
    """
    try:
        server = ThreadingHTTPServer((host, port), partial(Handler, found))
    except OSError as error:
        raise UserError(f"--port {port}: {error.strerror}; give another, like {port + 1}") from None
    server.daemon_threads = True
    return server


class Handler(BaseHTTPRequestHandler):
    """Answers what it was given, and says "not found" to everything else."""

    protocol_version = "HTTP/1.1"

    def __init__(self, found: dict[str, Answer], *arguments: Any):
        self._found = found
        super().__init__(*arguments)

    def do_GET(self) -> None:
        answer = self._found.get(self.path.partition("?")[0])
        status = HTTPStatus.OK if answer else HTTPStatus.NOT_FOUND
        answer = answer or Answer(TYPES[""], b"not found\n")
        self.send_response(status)
        for key, value in {**HEADERS, "Content-Type": answer.mime, "Content-Length": len(answer.body)}.items():
            self.send_header(key, str(value))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_: Any) -> None:
        """Say nothing of every request."""


if __name__ == "__main__":
    run_main(main)
