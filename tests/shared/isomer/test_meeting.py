"""Processes meet: real ones' sockets, in threads of one."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from isomer.errors import CheckFailed, ProcessLost, UserError
from isomer.meeting import Meeting
from isomer.processes import free_port
from isomer.slurm import Task


class Here(Task):
    """A task that listens where nobody else does."""

    @property
    def port(self) -> int:
        return int(self.job)


def together(work, count: int = 3, patience: float = 10.0, present: int | None = None) -> list:
    """What `work(meeting)` gives in each of `count` processes, or what it raises."""
    job = str(free_port())
    tasks = [Here(rank, count, 0, f"n{rank + 1}", ("localhost",) * count, job, "127.0.0.1") for rank in range(count)]

    def one(task: Task):
        try:
            with Meeting(task, patience) as meeting:
                return work(meeting)
        except (UserError, SystemExit) as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, tasks[:present]))


def test_all_hear_all_in_their_order():
    assert together(lambda meeting: meeting.all(meeting.task.node)) == [["n1", "n2", "n3"]] * 3


def test_a_process_alone():
    with Meeting(None) as meeting:
        assert meeting.all(5) == [5]
        assert meeting.each(lambda: 6) == 6
        assert meeting.addresses == ("127.0.0.1",)


def test_what_is_wrong_with_one_ends_all_and_is_said_once():
    def work(meeting: Meeting) -> int:
        def settle() -> int:
            if meeting.task.rank == 2:
                raise CheckFailed("no such dataset")
            return meeting.task.rank

        return meeting.each(settle)

    first, second, third = together(work)
    assert str(first) == "on n3: no such dataset"
    assert first.exit_code == CheckFailed.exit_code
    assert isinstance(second, SystemExit) and second.code == CheckFailed.exit_code
    assert isinstance(third, SystemExit)


def test_what_is_wrong_everywhere_names_no_node():
    def work(meeting: Meeting):
        def settle():
            raise UserError("unknown flag")

        return meeting.each(settle)

    assert str(together(work)[0]) == "unknown flag"


def test_each_gets_its_own():
    assert together(lambda meeting: meeting.each(lambda: meeting.task.rank)) == [0, 1, 2]


def test_one_that_does_not_come():
    begin = time.monotonic()
    found = together(lambda meeting: meeting.all(1), patience=1.0, present=2)
    assert isinstance(found[0], ProcessLost)
    assert "1 of 3 processes have not come to n1 in 1 s, the first of them is task 2" in str(found[0])
    assert all(isinstance(one, ProcessLost) for one in found)
    assert time.monotonic() - begin < 5


def test_one_that_leaves():
    def work(meeting: Meeting):
        if meeting.task.rank == 1:
            return "gone"
        return meeting.all(1)

    found = together(work)
    assert isinstance(found[0], ProcessLost)
    assert found[0].exit_code == 75
    assert isinstance(found[2], ProcessLost)


@pytest.mark.parametrize("noise", [b"", b"GET / HTTP/1.0\r\n\r\n", b"\xff\xfe\n", b'{"job": "another", "rank": 1}\n'])
def test_strangers_on_the_port_do_not_disturb(noise):
    import socket

    def work(meeting: Meeting):
        return meeting.all(meeting.task.rank)

    port = free_port()
    tasks = [Here(rank, 2, 0, f"n{rank}", ("localhost",) * 2, str(port), "127.0.0.1") for rank in range(2)]

    def one(task: Task):
        if not task.first:
            time.sleep(0.3)
        with Meeting(task, 10.0) as meeting:
            return work(meeting)

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(one, task) for task in tasks]
        time.sleep(0.1)
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            stranger.sendall(noise)
        assert [future.result() for future in both] == [[0, 1]] * 2
