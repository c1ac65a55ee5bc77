"""The C library's settings reach it: a program begins again once, with its flags, and leaves what others have set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import heap
import pytest

PROGRAM = "import os, sys, heap; heap.use_huge_pages(); print(os.getpid(), os.environ[heap.VARIABLE], *sys.argv[1:])"


@pytest.mark.parametrize(("before", "expected"), [({}, heap.SETTING), ({heap.VARIABLE: "mine"}, "mine")])
def test_a_command_begins_again_once(scripts, before, expected):
    environment = {key: value for key, value in os.environ.items() if key != heap.VARIABLE}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "--data", "a b"],
        env=environment | {"PYTHONPATH": str(scripts)} | before,
        stdout=subprocess.PIPE,
        text=True,
    )
    output, _ = process.communicate(timeout=60)
    # the same process: who waits for it, or sends it signals, notices nothing
    assert output == f"{process.pid} {expected} --data a b\n"


def test_the_c_library_knows_the_settings():
    """An unknown name would be passed over without a word."""
    program = Path("/lib64/ld-linux-x86-64.so.2")
    if not program.exists():
        pytest.skip("the list of settings is asked of glibc's loader for x86-64")
    listed = subprocess.run([program, "--list-tunables"], capture_output=True, text=True, check=True).stdout
    for name in heap.TUNABLES:
        assert f"glibc.malloc.{name}:" in listed
