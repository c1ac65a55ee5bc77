"""What a step costs more as a job of a cluster than in the venv engine: the same verb in turns, by the clock.

    python benchmarks/slurm_overhead.py FOLDER [TURNS]

As root, with Debian's slurm-wlm, munge and iproute2: it starts the tests' two-node cluster in FOLDER and stops it. The
step draws three pictures, so that what is measured is everything around it: submitting, waiting for a node, starting,
and seeing the end. The first turn is not counted: the environment may have to be made, and the nodes are asked once a
day. To reach: 3 s at most.

Two cores, busy (load 8), 5 turns:

    venv   median  2.22 s   least  1.34   most  2.64
    slurm  median  2.82 s   least  2.31   most  4.16
    more   median  0.88 s   least  0.52   most  1.52
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from slurm_cluster import Cluster  # noqa: E402 (found by the path above)

ENGINES = ("venv", "slurm")


def main(folder: Path, turns: int) -> None:
    cluster = Cluster(folder / "cluster", owner=os.getpid())
    cluster.start()
    try:
        seconds = {name: [] for name in ENGINES}
        for turn in range(turns + 1):
            for name in ENGINES:
                took = _step(cluster, folder, name, turn)
                if turn:
                    seconds[name].append(took)
    finally:
        cluster.stop()
    print(f"load {os.getloadavg()[0]:.1f}")
    for name, all_ in seconds.items():
        print(f"{name:6} median {statistics.median(all_):5.2f} s   least {min(all_):5.2f}   most {max(all_):5.2f}")
    more = [slurm - venv for venv, slurm in zip(seconds["venv"], seconds["slurm"], strict=True)]
    print(f"more   median {statistics.median(more):5.2f} s   least {min(more):5.2f}   most {max(more):5.2f}")


def _step(cluster: Cluster, folder: Path, engine: str, turn: int) -> float:
    """Seconds of one verb, as a person waits for it."""
    command = [str(ROOT / "inv"), "data-make", "shapes", "--train", "1", "--val", "1", "--test", "1"]
    command += ["--name", f"{engine}-{turn}", "--engine", engine]
    places = {"ISOMER_DATA": str(folder / "data"), "ISOMER_SLURM": str(folder / "slurm.toml")}
    start = time.monotonic()
    subprocess.run(command, env={**os.environ, **cluster.env, **places}, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 7)
