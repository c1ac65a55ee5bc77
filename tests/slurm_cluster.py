"""A Slurm cluster of two nodes on one machine, from Debian's own packages: what the tests of the slurm engine use.

    python tests/slurm_cluster.py start FOLDER    as root; a few seconds; all of its files are in FOLDER
    eval "$(python tests/slurm_cluster.py env FOLDER)"; sinfo
    python tests/slurm_cluster.py stop FOLDER

One controller on the machine itself and two node daemons, `slurmd -N n1` and `n2`. A node has what makes it another
machine to a framework: a network namespace with an address of its own (so that every node can use the same port), a
host name, a hosts file that knows the others, and one processor core. Clusters in several folders do not meet. Nothing
outlives `stop`, and a start first removes what a killed one left.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import slurm_accounts
from slurm_machine import (
    NODES,
    PATIENCE,
    address,
    alone,
    call,
    clusters,
    connect,
    daemons,
    disconnect,
    empty,
    inhabitants,
    kill,
    path,
    space,
    wait,
)

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged", "ip", "nsenter", "unshare", "taskset")
PACKAGES = "slurm-wlm munge iproute2 util-linux"

# Processes are followed by their parents and held on a core by taskset: cgroups, which Slurm's own plugins
# (proctrack/cgroup, task/affinity) want to own, are often someone else's on a developer's machine or in CI.
# A node declares more processors and graphics cards than it has, so that a script for a larger one can run;
# config_overrides makes Slurm believe it. cred_expire is also what a requeued job waits before it starts again.
CONFIGURATION = """\
ClusterName=isomer
SlurmctldHost={host}({machine})
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
GresTypes=gpu

# everything is seen and done in seconds; a node that is gone within 15–20
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1,bf_max_job_test=100
SlurmdTimeout=10
MessageTimeout=5
KillWait=5
MinJobAge=600
ReturnToService=2
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE

NodeName=DEFAULT CPUs=10 RealMemory=8000 Gres=gpu:2 State=UNKNOWN
NodeName=n1 NodeAddr={n1} Feature=left,cpu
NodeName=n2 NodeAddr={n2} Feature=right,cpu

# a node is one job's, as where training is done; in `many` jobs share it
PartitionName=DEFAULT Nodes=n[1-2] OverSubscribe=EXCLUSIVE PriorityTier=1 DefMemPerCPU=100
PartitionName=main Default=YES MaxTime=60 GraceTime=15
PartitionName=urgent PriorityTier=10 MaxTime=60
PartitionName=short MaxTime=2
PartitionName=single Nodes=n1 MaxNodes=1 MaxTime=60
PartitionName=many OverSubscribe=NO MaxTime=60
"""
GRES = "Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n"


def missing(accounts: bool = False) -> str:
    """What a cluster cannot be started without, as a sentence; empty when all of it is there."""
    programs, packages = PROGRAMS, PACKAGES
    if accounts:
        programs, packages = (*programs, *slurm_accounts.PROGRAMS), f"{packages} {slurm_accounts.PACKAGES}"
    programs = [name for name in programs if not shutil.which(name, path=path())]
    if programs:
        return f"{', '.join(programs)} not found: apt-get install {packages}"
    if os.geteuid() != 0:
        return "a test cluster needs root (network namespaces, host names)"
    if subprocess.run(["unshare", "--net", "--uts", "--mount", "true"], capture_output=True).returncode:
        return "this machine allows no namespaces (a container without CAP_SYS_ADMIN?)"
    return ""


def remove(number: int, folder: Path) -> None:
    """Ends a cluster's processes, its nodes' with all that runs there, and takes its network away."""
    kill(daemons(folder).values())
    disconnect(number)


class Cluster:
    """A cluster in a folder. `env` is what a command of Slurm needs to find it."""

    def __init__(self, folder: Path, owner: int = 0, accounts: bool = False):
        """owner: a process; once it is gone, the next start of any cluster removes this one. 0: it stays.

        accounts: a job's account must exist (slurm_accounts.ACCOUNT does), and what can never run is refused at once.
        """
        self.folder = folder.resolve()
        self.accounts = accounts
        self.owner = owner
        cores = sorted(os.sched_getaffinity(0))
        self.cores = {name: cores[place % len(cores)] for place, name in enumerate(NODES)}

    @property
    def env(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    @property
    def number(self) -> int | None:
        return next((number for number, (_, folder) in clusters().items() if folder == self.folder), None)

    def address(self, node: str) -> str:
        return address(self.number, node)

    def start(self) -> None:
        """Until both nodes take jobs; nothing to do where it runs already."""
        with alone():
            if self.number is not None and set(self.states().values()) == {"idle"}:
                return
            self._remove_leftovers()
            self.folder.mkdir(parents=True, exist_ok=True)
            for old in ("state", "database", *(f"spool-{name}" for name in NODES)):
                shutil.rmtree(self.folder / old, ignore_errors=True)
            number = next(number for number in range(250) if number not in clusters())
            connect(number, self.owner, self.folder)
            self._configure(number)
            self._start_munge()
        if self.accounts:
            slurm_accounts.start(self.folder)
        self.start_controller()
        for name in NODES:
            self.start_node(name)
        wait(lambda: set(self.states().values()) == {"idle"}, f"the nodes are not idle; see {self.folder}/*.log")

    def stop(self) -> None:
        with alone():
            number = self.number
            if number is not None:
                remove(number, self.folder)

    def _remove_leftovers(self) -> None:
        for number, (owner, folder) in clusters().items():
            abandoned = owner and not Path(f"/proc/{owner}").exists()
            if folder == self.folder or abandoned or not daemons(folder):
                remove(number, folder)

    def _configure(self, number: int) -> None:
        host = socket.gethostname().partition(".")[0]
        nodes = {name: address(number, name) for name in NODES}
        machine = address(number)
        text = CONFIGURATION.format(host=host, machine=machine, port=16800 + number, folder=self.folder, **nodes)
        if self.accounts:
            text += slurm_accounts.configure(self.folder, host, machine, 16500 + number)
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "gres.conf").write_text(GRES)
        names = {"localhost": "127.0.0.1", host: machine} | nodes
        (self.folder / "hosts").write_text("".join(f"{address} {name}\n" for name, address in names.items()))
        (self.folder / "resolv.conf").write_text("")  # who asks for another name has the answer at once: none
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        (self.folder / "state").mkdir()

    def _start_munge(self) -> None:
        files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        options = [f"--{option}={self.folder}/munge.{end}" for option, end in files.items()]
        call("munged", "--force", *options)

    def start_controller(self) -> None:
        """As after a restart: what it knew is read from its folder."""
        call("slurmctld", "-f", self.folder / "slurm.conf")
        wait(lambda: self.run(["scontrol", "ping"]).returncode == 0, f"no answer; see {self.folder}/slurmctld.log")

    def stop_controller(self) -> None:
        """Ends the controller only: jobs go on."""
        os.kill(daemons(self.folder)["slurmctld"], signal.SIGTERM)
        wait(lambda: "slurmctld" not in daemons(self.folder), "the controller does not end")

    def restart_controller(self) -> None:
        self.stop_controller()
        self.start_controller()

    def start_node(self, name: str) -> None:
        mounts = [f"mount --bind {self.folder}/{file} /etc/{file}" for file in ("hosts", "resolv.conf")]
        daemon = f"exec taskset -c {self.cores[name]} slurmd -N {name} -f {self.folder}/slurm.conf"
        script = " && ".join([f"hostname {name}", *mounts, daemon])
        call(
            "nsenter", f"--net=/run/netns/{space(self.number, name)}", "unshare", "--uts", "--mount", "sh", "-c", script
        )

    def kill_node(self, name: str) -> None:
        """SIGKILL to everything that runs on a node, the daemon and every job's processes."""
        empty(space(self.number, name))

    def pids(self, node: str) -> list[int]:
        """Every process of a node, as this machine numbers them."""
        return inhabitants(space(self.number, node))

    def states(self) -> dict[str, str]:
        """Each node's state, as sinfo says it; none without a controller (sinfo would look for it for a minute)."""
        if "slurmctld" not in daemons(self.folder):
            return {}
        done = self.run(["sinfo", "--noheader", "--Node", "--partition=main", "--format=%N %T"])
        return dict(line.split() for line in done.stdout.splitlines())

    def run(
        self, argv: Sequence[str], env: Mapping[str, str] | None = None, **options
    ) -> subprocess.CompletedProcess[str]:
        """A command as a user of the cluster types it."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))}
        clean |= {"PATH": path()} | self.env | dict(env or {})
        options = {"stdin": subprocess.DEVNULL, "timeout": 120} | options
        return subprocess.run(list(argv), env=clean, capture_output=True, text=True, **options)

    def job(self, number: str | int) -> dict[str, str]:
        """What the controller knows of a job until ten minutes after its end: JobState, ExitCode, NodeList …"""
        done = self.run(["scontrol", "--oneliner", "show", "job", str(number)])
        return dict(part.split("=", 1) for part in done.stdout.split() if "=" in part)

    def wait_job(self, number: str | int, state: str, seconds: float = PATIENCE) -> dict[str, str]:
        """Until a job is in this state (RUNNING, PENDING, COMPLETED …)."""
        wait(lambda: self.job(number).get("JobState") == state, f"job {number} is not {state}", seconds)
        return self.job(number)


def main() -> None:
    parser = argparse.ArgumentParser(description="A Slurm cluster of two nodes, n1 and n2, on this machine.")
    parser.add_argument("verb", choices=("start", "stop", "env"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--accounts", action="store_true", help="with accounting: `lab` is an account")
    options = parser.parse_args()
    if lacking := missing(options.accounts):
        sys.exit(lacking)
    cluster = Cluster(options.folder, accounts=options.accounts)
    if options.verb == "start":
        cluster.start()
    elif options.verb == "stop":
        cluster.stop()
    if options.verb != "stop":
        print("\n".join(f"export {name}={value}" for name, value in cluster.env.items()))


if __name__ == "__main__":
    main()
