"""Signals during training: which of them stop after the step, and which at once."""

from __future__ import annotations

import os
import signal
import time

import pytest

from isomer import interruption
from isomer.interruption import Interruption


@pytest.fixture(autouse=True)
def brief(monkeypatch):
    monkeypatch.setattr(interruption, "REPEATED_SECONDS", 0.2)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def test_a_signal_waits_for_the_end_of_the_step_and_one_more_does_not():
    for number, code in ((signal.SIGTERM, 0), (signal.SIGINT, 130)):
        with Interruption() as asked:
            send(number)
            assert asked.requested and asked.exit_code == code
            time.sleep(0.3)
            with pytest.raises(SystemExit) as left:
                send(number)
            assert left.value.code == code


def test_sigterm_that_comes_twice_at_once_is_one():
    """Slurm sends it to every process of a step; a container's starter passes on what it was sent itself."""
    with Interruption() as asked:
        for _ in range(3):
            send(signal.SIGTERM)
        assert asked.exit_code == 0


def test_sigterm_that_another_process_of_the_run_was_sent_first_is_the_same():
    with Interruption() as asked:
        asked.request(0)
        time.sleep(0.3)
        send(signal.SIGTERM)
        assert asked.exit_code == 0


def test_ctrl_c_twice_is_meant_twice():
    with Interruption() as asked:
        send(signal.SIGINT)
        assert asked.requested
        with pytest.raises(SystemExit):
            send(signal.SIGINT)
