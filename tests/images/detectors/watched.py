"""train.py as it is, but every step has a line in metrics.jsonl, and what a process reads is noted.

python watched.py FLAGS      with $ISOMER_SCRIPTS, and $SEEN: a folder for files of `position index` lines
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

SCRIPTS = Path(os.environ["ISOMER_SCRIPTS"])
sys.path.insert(0, str(SCRIPTS))
sys.argv[0] = str(SCRIPTS / "train.py")

import isomer.stream  # noqa: E402 (from where PYTHONPATH says)
import isomer.training  # noqa: E402

isomer.training.LOG_STEPS = 1
picture_at = isomer.stream.Stream.__getitem__


def noted(stream: isomer.stream.Stream, position: int) -> int:
    index = picture_at(stream, position)
    with (Path(os.environ["SEEN"]) / os.environ.get("SLURM_PROCID", "0")).open("a") as file:
        file.write(f"{position} {index}\n")
    return index


if "SEEN" in os.environ:
    isomer.stream.Stream.__getitem__ = noted

import train  # noqa: E402 (takes LOG_STEPS over)

from isomer.errors import run_main  # noqa: E402

run_main(train.main)
