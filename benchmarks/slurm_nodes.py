"""Training on two nodes of a Slurm cluster against one, each of one processor core: pictures a second, and their ratio.

    PYTHONPATH=shared:tests python benchmarks/slurm_nodes.py --framework torch [--data shapes] [--rounds 2]

in that image's environment, as root (the cluster is the tests' own, tests/slurm_cluster.py: two nodes in namespaces of
one machine, so other work on it counts against two nodes more than against one). The same flags but for --nodes, so the
same global batch; turns alternate; the rate is metrics.jsonl's, the median of its lines but the first, without
evaluations. To reach: 1.6 times the pictures with two nodes.

160 px, batch 16, on two cores. Turns of this measurement taken one by one, not in one run, with other work beside them:

    torch   1 node 24 to 30 pictures/s (0.599 s of processor time a step)   2 nodes 44 to 53 (0.317 each)   1.78 times
    tf      1 node 34 to 35 pictures/s (0.464 s)   2 nodes 58 to 61 (0.289 each)   1.7 times
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table
from slurm_cluster import Cluster

ROOT = Path(__file__).resolve().parents[1]
NODES = (1, 2)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--framework", required=True, choices=("torch", "tf"))
    parser.add_argument("--data", default="shapes")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    volume = Path(os.environ.get("ISOMER_DATA", ROOT / "data"))
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    cluster = Cluster(folder, owner=os.getpid())
    cluster.start()
    rates: dict[int, list[float]] = {count: [] for count in NODES}
    try:
        for _ in range(options.rounds):
            for count in NODES:
                rates[count].append(turn(cluster, volume, options, count))
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
    table = Table(title=f"{options.framework}, {options.size} pixels, {options.batch} pictures a step")
    for heading in ("nodes", "pictures a second", "turns", "ratio"):
        table.add_column(heading, justify="right")
    middle = {count: statistics.median(found) for count, found in rates.items()}
    for count, found in rates.items():
        turns = ", ".join(f"{rate:.1f}" for rate in found)
        table.add_row(str(count), f"{middle[count]:.1f}", turns, f"{middle[count] / middle[1]:.2f}")
    Console().print(table)
    print(f"load of the machine: {', '.join(f'{load:.1f}' for load in os.getloadavg())}")


def turn(cluster: Cluster, volume: Path, options: argparse.Namespace, count: int) -> float:
    """Pictures a second of one training on so many nodes."""
    run = f"benchmark-{options.framework}-{count}-nodes"
    flags = {"data": options.data, "size": options.size, "batch": options.batch, "steps": options.steps, "run": run}
    flags |= {"weights": "none", "device": "cpu", "eval-every": 1000, "nodes": count, "workers": 1, "logger": "none"}
    words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    script = ROOT / "images" / options.framework / "train.py"
    done = cluster.run(
        ["srun", f"--nodes={count}", "--ntasks-per-node=1", sys.executable, str(script), *words, "--fresh"],
        {"PYTHONPATH": str(ROOT / "shared"), "ISOMER_DATA": str(volume.resolve())},
        timeout=1200,
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    folder = volume / "runs" / run
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    shutil.rmtree(folder)
    return statistics.median([line["images_per_s"] for line in lines if line["split"] == "train"][1:])


if __name__ == "__main__":
    main()
