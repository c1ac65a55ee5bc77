"""The test cluster is a cluster: two nodes that differ, jobs that end as they end, and what is broken is seen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from slurm_cluster import Cluster, daemons, wait


def submit(slurm: Cluster, script: str, *options: str) -> str:
    done = slurm.run(["sbatch", "--parsable", "--output=/dev/null", *options, "--wrap", script])
    assert not done.returncode, done.stderr
    return done.stdout.strip()


def run(slurm: Cluster, script: str) -> str:
    """A job whose tasks run on both nodes."""
    job = submit(slurm, script, "-N2")
    slurm.wait_job(job, "RUNNING")
    wait(lambda: all(len(slurm.pids(node)) > 2 for node in ("n1", "n2")), "the job's tasks do not run")
    return job


def test_the_nodes_differ_in_name_address_and_core(slurm):
    asked = "echo $(hostname) $(hostname -I) $(taskset -pc $$ | sed 's/.*: //') $(getent hosts n1 n2 | tr -s ' ')"
    done = slurm.run(["srun", "-N2", "bash", "-c", asked])
    found = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    addresses = {name: slurm.address(name) for name in ("n1", "n2")}
    everyone = [word for name, address in addresses.items() for word in (address, name)]
    assert found == {name: [addresses[name], str(slurm.cores[name]), *everyone] for name in ("n1", "n2")}, done.stderr
    if len(os.sched_getaffinity(0)) > 1:
        assert slurm.cores["n1"] != slurm.cores["n2"]


def test_a_node_reaches_the_other_on_a_port_that_both_use(slurm, tmp_path):
    """What a framework does that takes one port on every host."""
    script = tmp_path / "port.py"
    script.write_text(
        "import os, socket, time\n"
        "server = socket.create_server(('', 29500))\n"
        "other = {'n1': 'n2', 'n2': 'n1'}[os.uname().nodename]\n"
        "for _ in range(100):\n"
        "    try:\n"
        "        socket.create_connection((other, 29500), 5).sendall(os.uname().nodename.encode())\n"
        "        break\n"
        "    except OSError:\n"
        "        time.sleep(0.1)\n"
        "print(os.uname().nodename, server.accept()[0].recv(9).decode())\n"
    )
    done = slurm.run(["srun", "-N2", sys.executable, script])
    assert sorted(done.stdout.splitlines()) == ["n1 n2", "n2 n1"], done.stderr


def test_a_job_ends_with_its_own_code(slurm):
    job = slurm.wait_job(submit(slurm, "srun -N2 true; exit 7", "-N2"), "FAILED")
    assert job["ExitCode"] == "7:0"
    assert slurm.run(["srun", "sh", "-c", "exit 5"]).returncode == 5


def test_graphics_cards_are_told_to_a_job(slurm):
    done = slurm.run(["srun", "--gpus-per-node=2", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES"])
    assert done.stdout.strip() == "0,1", done.stderr
    refused = slurm.run(["sbatch", "--gpus-per-node=3", "--wrap", "true"])
    assert "Requested node configuration is not available" in refused.stderr


def test_an_urgent_job_takes_the_nodes(slurm):
    """The preempted job has its grace time, and waits for its next turn when that is over."""
    first = run(slurm, "srun sleep 100")
    urgent = submit(slurm, "true", "-N2", "--partition=urgent")
    wait(lambda: slurm.job(first)["PreemptTime"] != "None", "nothing is preempted")
    slurm.run(["scancel", first])
    slurm.wait_job(urgent, "COMPLETED")


def test_a_restarted_controller_knows_its_jobs(slurm):
    job = run(slurm, "srun sleep 4; exit 3")
    slurm.restart_controller()
    assert slurm.job(job)["JobState"] == "RUNNING"
    assert slurm.wait_job(job, "FAILED")["ExitCode"] == "3:0"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--account=nosuch", "Invalid account or account/partition combination specified"),
        ("--qos=nosuch", "Invalid qos specification"),
        ("--nodes=3", "Node count specification invalid"),
        ("--partition=short --time=10", "Requested time limit is invalid"),
    ],
)
def test_a_strict_site_refuses_when_a_job_is_submitted(slurm_with_accounts, options, words):
    refused = slurm_with_accounts.run(["sbatch", *options.split(), "--wrap", "true"])
    assert refused.returncode and words in refused.stderr
    assert slurm_with_accounts.run(["srun", "--account=lab", "true"]).returncode == 0


@pytest.mark.slow
def test_a_node_that_dies_is_seen_and_its_job_starts_again(slurm):
    job = run(slurm, "srun sleep 100")
    slurm.kill_node("n2")
    assert slurm.pids("n2") == []
    wait(lambda: slurm.states()["n2"].startswith("down"), "the node is not seen down", 40)
    assert slurm.wait_job(job, "PENDING")["Restarts"] == "1"
    slurm.start_node("n2")
    slurm.wait_job(job, "RUNNING")
    slurm.run(["scancel", job])


def test_a_second_cluster_beside_it_leaves_nothing(slurm, tmp_path):
    """Started twice, killed and started again, stopped: by the commands that a person types."""
    folder = tmp_path / "cluster"

    def command(verb: str) -> str:
        script = Path(__file__).with_name("slurm_cluster.py")
        return subprocess.run([sys.executable, script, verb, folder], check=True, capture_output=True, text=True).stdout

    assert command("start") == command("start") == command("env") == f"export SLURM_CONF={folder}/slurm.conf\n"
    other = Cluster(folder)
    assert other.states() == {"n1": "idle", "n2": "idle"} and other.number != slurm.number
    os.kill(daemons(folder)["slurmctld"], 9)
    command("start")
    assert other.run(["srun", "-N2", "hostname"]).returncode == 0
    space = other.number
    command("stop")
    assert daemons(folder) == {} and other.number is None
    assert not list(Path("/run/netns").glob(f"isoslurm{space}-*"))
    assert set(slurm.states()) == {"n1", "n2"}


def test_what_a_killed_session_left_is_removed_by_the_next_start(slurm, tmp_path):
    gone = subprocess.Popen(["true"])
    gone.wait()
    left = Cluster(tmp_path / "left", owner=gone.pid)
    left.start()
    following = Cluster(tmp_path / "following", owner=os.getpid())
    following.start()
    try:
        assert left.number is None and daemons(left.folder) == {}
        assert set(following.states()) == set(slurm.states()) == {"n1", "n2"}
    finally:
        following.stop()
