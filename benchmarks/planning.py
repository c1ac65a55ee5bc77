"""A plan past this machine: what 1, 8, 64 and 512 GPUs exchange, read and write, and where it would break first.

    python benchmarks/planning.py > benchmarks/planning.md
    python benchmarks/planning.py --rate-small 2000 --node-link 12.5 --batch-per-gpu 32

What is measured is in planning.json, which planning_measure.py writes; what is assumed of a cluster is a flag each,
with where its default comes from. Nothing but the standard library is needed.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST = 1 << 20  # GPUs: what breaks later is said not to break
DEFAULT_BATCH, LEAST_BATCH = 16, 2  # --batch, and what batch norm needs of it on each GPU
DEFAULT_EPOCHS, EVALUATIONS = 10, 4
CHECKPOINT_SECONDS = 60.0  # between two checkpoints
LARGEST_BATCH = 8192
ENOUGH = 0.9  # efficiency, from below which it is broken
MUCH = 0.1  # share of the time, likewise
START_SECONDS = 60.0  # that a start may take


@dataclass(frozen=True)
class Assumed:
    """A figure of a cluster, which is a flag; `source` says where its default comes from."""

    name: str
    value: float
    unit: str
    words: str
    source: str


ASSUMED = (
    Assumed(
        *("rate-small", 660, "pictures/s", "one GPU trains of a default model"),
        "SSD300 with ResNet-50 on an A100, mixed precision: 663 ([NVIDIA][ssd]); our default models are smaller",
    ),
    Assumed(
        *("rate-large", 34, "pictures/s", "one GPU trains of the largest model"),
        "RetinaNet with ResNet-50 on a V100: 10 ([Detectron2][zoo]: 16 in 0.2 s on 8), times the 3.4 that SSD300 gains "
        "on an A100 ([NVIDIA][ssd])",
    ),
    Assumed("batch-per-gpu", 16, "pictures", "a GPU's share of a step", "the default of `--batch`, on each GPU"),
    Assumed("node-gpus", 8, "GPUs", "in a node", "DGX A100"),
    Assumed("gpu-link", 300, "GB/s", "between GPUs of a node, each way", "NVLink 3: 600 both ways together"),
    Assumed("node-link", 25, "GB/s", "between nodes", "one port of HDR InfiniBand, 200 Gb/s"),
    Assumed("latency", 5, "µs", "of each message of a ring", "a guess; less on the best networks"),
    Assumed("files", 5, "GB/s", "the shared file system reads", "a guess: a department's, not a national centre's"),
    Assumed(
        *("operations", 12_000, "1/s", "metadata operations of the shared file system"),
        "a step of what [FSx for Lustre][fsx] sells, 1,500 to 192,000",
    ),
    Assumed("operations-per-read", 2, "", "metadata operations of each file that is read", "open and close"),
    Assumed("cores", 16, "cores", "for each GPU", "DGX A100: 128 for 8"),
    Assumed("pictures", 118_287, "pictures", "to train on", "COCO train2017"),
    Assumed("picture-bytes", 163_000, "bytes", "of a picture's file", "COCO train2017: 18 GiB of 118,287 files"),
    Assumed("validation", 5000, "pictures", "to evaluate on", "COCO val2017"),
)
OWN_BATCH = f"`--batch {DEFAULT_BATCH}`"


@dataclass(frozen=True)
class Break:
    """From how many GPUs on, what breaks, and what to do."""

    gpus: int
    what: str
    cure: str


@dataclass(frozen=True)
class Plan:
    """One model on a cluster; `about` and `framework` are measured, `assumed` by the flags' names."""

    about: dict[str, Any]
    framework: dict[str, Any]
    assumed: dict[str, float]
    rate: float

    @property
    def name(self) -> str:
        return f"{self.framework['framework']} {self.about['name']}"

    @property
    def step_seconds(self) -> float:
        return self.assumed["batch-per-gpu"] / self.rate

    def exchanged(self, gpus: int) -> float:
        """Bytes that each GPU sends in a step, and receives."""
        return ring(gpus) * self.about["gradient_bytes"]

    def exchange_seconds(self, gpus: int) -> float:
        """Of the links in a node, then of those between nodes, through which a node's sum passes once."""
        inside = min(gpus, int(self.assumed["node-gpus"]))
        nodes = math.ceil(gpus / self.assumed["node-gpus"])
        moved = ring(inside) / (self.assumed["gpu-link"] * 1e9) + ring(nodes) / (self.assumed["node-link"] * 1e9)
        messages = 2 * (inside - 1) + 2 * (nodes - 1)
        return moved * self.about["gradient_bytes"] + messages * self.assumed["latency"] * 1e-6

    def efficiency(self, gpus: int) -> float:
        """If nothing is exchanged while gradients are still computed, as both frameworks do."""
        return self.step_seconds / (self.step_seconds + self.exchange_seconds(gpus))

    def read_bytes(self, gpus: int) -> float:
        """A second, where pictures do not fit into memory."""
        return gpus * self.rate * self.assumed["picture-bytes"]

    def operations(self, gpus: int) -> float:
        return gpus * self.rate * self.assumed["operations-per-read"]

    @property
    def reading_cores(self) -> float:
        """Of a GPU, to decode and augment what it trains on."""
        return self.rate / self.framework["reading"]["pictures_per_s"]

    def start_seconds(self, gpus: int) -> float:
        """To open what each process loads of its environment."""
        files = self.framework["loading"]["files"] * self.assumed["operations-per-read"]
        return gpus * files / self.assumed["operations"]

    def training_seconds(self, gpus: int) -> float:
        return DEFAULT_EPOCHS * self.assumed["pictures"] / (gpus * self.rate)

    def evaluation_seconds(self, gpus: int) -> float:
        """One evaluation: pictures are shared out, at three times the speed of training; the measuring is not."""
        count = self.assumed["validation"]
        return count / (gpus * 3 * self.rate) + count * self.framework["evaluating_s"]

    def evaluation_share(self, gpus: int) -> float:
        evaluating = EVALUATIONS * self.evaluation_seconds(gpus)
        return evaluating / (evaluating + self.training_seconds(gpus))

    @property
    def checkpoint_share(self) -> float:
        return self.about["checkpoint_s"] / (CHECKPOINT_SECONDS + self.about["checkpoint_s"])

    def breaks(self) -> list[Break]:
        """The first one first."""
        given = self.assumed
        found = [
            Break(
                DEFAULT_BATCH // LEAST_BATCH + 1,
                f"{OWN_BATCH} leaves a GPU fewer than {LEAST_BATCH} pictures",
                "a larger `--batch`, with the learning rate that goes with it",
            ),
            Break(
                first(lambda _: self.reading_cores > given["cores"]),
                "too few processor cores decode pictures",
                "smaller pictures in the dataset; more cores",
            ),
            Break(
                first(lambda gpus: self.operations(gpus) > given["operations"]),
                "pictures are opened faster than the file system can",
                "`--cache memory`, the data volume on the nodes' own disks, or a faster file system",
            ),
            Break(
                first(lambda gpus: self.read_bytes(gpus) > given["files"] * 1e9),
                "pictures are read faster than the file system can",
                "as for opening them; smaller files",
            ),
            Break(
                first(lambda gpus: self.efficiency(gpus) < ENOUGH),
                f"the exchange takes more than {1 - ENOUGH:.0%}",
                "more pictures a step on each GPU; a faster network",
            ),
            Break(
                first(lambda gpus: self.start_seconds(gpus) > START_SECONDS),
                f"a start takes {START_SECONDS:.0f} s, opening the environment's files",
                "the image in a container runtime: one file",
            ),
            Break(
                first(lambda gpus: self.evaluation_share(gpus) > MUCH),
                f"evaluating takes more than {MUCH:.0%}, most of it what every process does alike",
                "a larger `--eval-every`; fewer validation pictures",
            ),
            Break(
                first(lambda _: self.checkpoint_share > MUCH),
                f"writing checkpoints takes more than {MUCH:.0%}",
                "a faster disk",
            ),
            Break(
                first(lambda gpus: gpus * given["batch-per-gpu"] > LARGEST_BATCH),
                f"a step has more than {LARGEST_BATCH} pictures, from where on others [lost accuracy][goyal]",
                "fewer GPUs: a sweep makes better use of the others",
            ),
        ]
        return sorted((one for one in found if one.gpus < MOST), key=lambda one: one.gpus)


def ring(count: int) -> float:
    """How often each of `count` sends all bytes when all get the sum of all: 2(n - 1)/n."""
    return 2 * (count - 1) / count


def first(breaks: Callable[[int], bool]) -> int:
    """The least number of GPUs at which it breaks; what breaks stays broken for more."""
    if not breaks(MOST):
        return MOST
    low, high = 0, MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if breaks(middle) else (middle, high)
    return high


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measured", type=Path, default=Path(__file__).with_name("planning.json"))
    for one in ASSUMED:
        words = f"{one.words}, {one.unit or 'a number'} [{one.value:g}]"
        parser.add_argument(f"--{one.name}", type=float, default=one.value, help=words)
    given = vars(parser.parse_args())
    measured = json.loads(given.pop("measured").read_text())
    from planning_page import page

    print(page(measured, {key.replace("_", "-"): value for key, value in given.items()}), end="")


def plans(measured: dict[str, Any], assumed: dict[str, float]) -> list[Plan]:
    """Every measured model, the smaller ones of each framework first."""
    made = []
    for framework in measured.values():
        for about in framework["models"]:
            is_large = about["parameters"] == max(one["parameters"] for one in framework["models"])
            made.append(Plan(about, framework, assumed, assumed["rate-large" if is_large else "rate-small"]))
    return made


if __name__ == "__main__":
    main()
