"""The slurm engine on a real cluster: what is submitted, refused, followed, left and cancelled."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from isomer.errors import UserError
from launcher import project
from launcher.engines import slurm as engine
from launcher.engines import venv
from launcher.options import Site as Flags
from launcher.slurm import batch, following, probe, queue, runtimes, site
from launcher.slurm.batch import Launch
from launcher.slurm.chain import Chain, Link
from launcher.step import Step


class Shell(runtimes.Venv):
    """A runtime whose environment is this machine's shell: a step's words are what it says."""

    def prepare(self, image: str, device: str) -> None:
        pass

    def is_ready(self, image: str, device: str) -> bool:
        return True

    def needs(self, image: str, device: str) -> list[probe.Need]:
        return []

    def launch(self, step: Step) -> Launch:
        return Launch(("/bin/sh", "-c", " ".join(map(str, step.argv))))


@pytest.fixture
def here(slurm, tmp_path, monkeypatch) -> Path:
    """A data volume and settings of this test's own; steps are words of shell."""
    for name, value in slurm.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ISOMER_DATA", str(tmp_path / "data"))
    monkeypatch.setenv(site.VARIABLE, str(tmp_path / "slurm.toml"))
    monkeypatch.setattr(runtimes, "of", lambda _: Shell())
    monkeypatch.setattr(probe, "KEPT", tmp_path / "asked")
    engine.use(Flags())
    return tmp_path


def step(words: str, **options) -> Step:
    return Step("onnx", (words,), **options)


def use(**flags) -> None:
    engine.use(Flags(**flags))


def test_a_step_is_a_job_whose_log_and_exit_code_come_back(here, capfd):
    assert engine.run(step("echo to $ISOMER_NODES; exit 7")) == 7

    said = capfd.readouterr().out
    assert "to n1" in said or "to n2" in said
    scripts = list((here / "data" / "slurm").glob("*.sh"))
    assert len(scripts) == 1
    assert subprocess.run(["bash", "-n", scripts[0]]).returncode == 0
    log = scripts[0].with_suffix(".log").read_text()
    assert log.splitlines()[-1].endswith(")") and "ended with exit code 7" in log


def test_every_node_runs_as_many_processes_as_it_has_devices(here, capfd):
    assert engine.run(step("echo process $SLURM_PROCID on $SLURMD_NODENAME", nodes=2, devices=2)) == 0

    said = capfd.readouterr().out
    assert [f"process {rank} on n{rank // 2 + 1}" in said for rank in range(4)] == [True] * 4


def test_the_nodes_are_asked_once_a_day(here, capfd):
    engine.run(step("true"))
    assert "asking 1 node" in capfd.readouterr().out
    engine.run(step("true"))
    assert "asking" not in capfd.readouterr().out
    assert list((here / "data").glob(".probe*")) == []


@pytest.mark.parametrize(
    ("flags", "nodes", "says"),
    [
        ({"partition": "nope"}, 1, r"invalid partition specified: nope.*\(--partition"),
        ({"constraint": "nope"}, 1, r"Invalid feature specification.*\(--constraint"),
        ({}, 3, r"Requested node configuration is not available.*Partition main has 2 nodes of 10 processors"),
        ({"gpus_per_node": 8}, 1, r"Requested node configuration is not available.*gpu:2"),
        ({"memory": "100G"}, 1, r"Requested node configuration is not available.*8000 MB"),
        ({"partition": "single"}, 2, r"Partition single has 1 nodes"),
    ],
)
def test_what_slurm_refuses_is_said_in_its_words_with_what_there_is(here, flags, nodes, says):
    use(**flags)
    with pytest.raises(UserError, match=says):
        engine.run(step("true", nodes=nodes))
    assert queue.jobs() == []


def test_a_wrong_line_of_the_file_is_named(here):
    (here / "slurm.toml").write_text('# this cluster\n\npartition = "nope"\n')
    use()
    with pytest.raises(UserError, match=r"partition, .*slurm.toml line 3"):
        engine.run(step("true"))


def test_a_job_that_would_wait_for_ever_is_taken_back(here):
    use(partition="short", time_limit="5")
    with pytest.raises(UserError, match=r"would never start, and is cancelled: the partition allows less time"):
        engine.run(step("true"))
    assert queue.jobs() == []


def test_a_volume_that_the_nodes_do_not_see_is_found_before_the_job(here, monkeypatch):
    hidden = here / "hidden"
    hidden.mkdir()
    # nodes have their own view of mounts, as they were when the nodes started
    subprocess.run(["mount", "-t", "tmpfs", "none", hidden], check=True)
    try:
        monkeypatch.setenv("ISOMER_DATA", str(hidden))
        with pytest.raises(UserError, match=r"node n\d does not see the data volume .*hidden.*ISOMER_DATA"):
            engine.run(step("true"))
        assert queue.jobs() == []
        assert list(hidden.glob(".probe*")) == []
    finally:
        subprocess.run(["umount", hidden], check=True)


def test_on_a_full_volume_nothing_is_submitted(here, monkeypatch):
    full = here / "full"
    full.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", full], check=True)
    try:
        monkeypatch.setenv("ISOMER_DATA", str(full))
        with pytest.raises(OSError, match="No space left"), (full / "filler").open("wb") as stream:
            stream.write(b"0" * 100_000)
        with pytest.raises(OSError, match="No space left"):
            engine.run(step("true"))
        assert queue.jobs() == []
        assert list(full.rglob("*.sh")) == []
    finally:
        subprocess.run(["umount", full], check=True)


def test_a_volume_outside_what_the_site_shares_is_refused_without_asking(here):
    (here / "slurm.toml").write_text('shared = ["/scratch"]\n')
    use()
    with pytest.raises(
        UserError, match=r"data volume .* lies below none of .*/scratch; shared, .* line 1.*ISOMER_DATA"
    ):
        engine.run(step("true"))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("probe n2 yes no yes none {lock} {now}", "node n2 cannot write in the data volume"),
        ("probe n2 yes yes no none {lock} {now}", "node n2 does not see the repository"),
        ("probe n2 yes yes yes none 0000 {now}", "node n2 has another requirements"),
        ("probe n2 yes yes yes none {lock} {late}", r"the clock of node n2 is \+9\d s off"),
    ],
)
def test_what_a_node_answers_is_held_against_this_machine(here, monkeypatch, answer, says):
    from isomer.files import sha256_of_file

    lock = engine.lock_of("onnx")
    now = time.time()
    words = answer.format(lock=sha256_of_file(lock), now=now, late=now + 95).split()
    monkeypatch.setattr(probe, "_ask", lambda *_: [(now, words)])
    with pytest.raises(UserError, match=says):
        engine.run(step("true"))


def test_the_same_step_follows_the_job_that_is_in_the_queue(here, capfd):
    training = step("sleep 2; echo trained", run="r")
    identity, _ = engine.submit(training)
    assert engine.run(training) == 0
    said = capfd.readouterr().out
    assert f"job {identity} is in the queue for this already" in said and "trained" in said


FOLLOW = """
import sys
sys.path.insert(0, {shared!r})
from pathlib import Path
from launcher.process import terminate_like_interrupt
from launcher.slurm import following
terminate_like_interrupt()
sys.exit(following.follow([({identity!r}, Path({log!r}))])[{identity!r}])
"""


@pytest.fixture
def sleeping(here):
    """A job that sleeps, and a program that follows it."""
    identity, log = engine.submit(step("echo begun; sleep 60"))
    queue_deadline = time.monotonic() + 20
    while not log.exists() or "begun" not in log.read_text():
        assert time.monotonic() < queue_deadline
        time.sleep(0.1)
    program = FOLLOW.format(shared=str(project.ROOT / "shared"), identity=identity, log=str(log))
    yield identity, [sys.executable, "-c", program]
    queue.cancel(identity)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_without_a_terminal_an_interrupt_leaves_the_job(sleeping, number, code):
    identity, command = sleeping
    follower = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    while follower.stdout.readline() != "begun\n":
        pass
    follower.send_signal(number)
    said, _ = follower.communicate(timeout=20)

    assert follower.returncode == code
    assert f"job {identity} left in the queue" in said and f"jobs-log {identity} --follow" in said
    assert queue.job(identity).state == "RUNNING"


@pytest.mark.parametrize(("answer", "states"), [("c", {"CANCELLED", "COMPLETING"}), ("", {"RUNNING"})])
def test_on_a_terminal_it_asks_whether_to_cancel(sleeping, answer, states):
    identity, command = sleeping
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(command[0], command)
    said = b""
    for awaited, typed in ((b"begun", b"\x03"), (b"[c/L]", f"{answer}\n".encode())):
        while awaited not in said:
            said += os.read(terminal, 1000)
        time.sleep(0.3)
        os.write(terminal, typed)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert code == 130
    assert queue.job(identity).state in states


def test_progress_stays_in_its_place_on_a_terminal(here):
    identity, log = engine.submit(
        step('for n in 1 2 3; do echo "train r: $n/3 images  2.0/s  1 s left  loss 0.5"; done; echo end')
    )
    program = FOLLOW.format(shared=str(project.ROOT / "shared"), identity=identity, log=str(log))
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", program])
    said = b""
    try:
        while chunk := os.read(terminal, 1000):
            said += chunk
    except OSError:  # the terminal of a program that has ended
        pass
    os.waitpid(pid, 0)
    assert b"1/3 images  2.0/s  1 s left  loss 0.5\r\x1b[Ktrain r: 2/3" in said


def test_a_chain_runs_side_by_side_what_needs_each_other_not(here, capfd):
    begun = [f"date +%s.%N > {here}/{name}; sleep 2; date +%s.%N >> {here}/{name}" for name in ("a", "b")]
    chain = Chain()
    chain.submit(
        [
            Link("made", [step("echo made")], lambda: True),
            Link("a", [step(begun[0])], lambda: False, needs=("made",)),
            Link("b", [step(begun[1])], lambda: False, needs=("made",)),
            Link("c", [step(f"cat {here}/a {here}/b"), step("false")], lambda: True, needs=("a", "b")),
            Link("d", [step("echo d")], lambda: True, needs=("c",)),
            Link("e", [step("echo e")], lambda: True, follows=("c",)),
        ]
    )
    codes = chain.follow()

    assert codes == {"a": 0, "b": 0, "c": 1, "d": 143, "e": 0}  # made is done; d needs what failed; e only its end
    times = [list(map(float, (here / name).read_text().split())) for name in ("a", "b")]
    assert times[0][0] < times[1][1] and times[1][0] < times[0][1]
    said = capfd.readouterr().out
    assert "made: done already" in said and "[e] e" in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('partitio = "x"', "did you mean 'partition'"),
        ("modules = 3", r"modules must be a list of texts"),
        ('restarts = "many"', "restarts must be a whole number, not 'many'"),
        ('runtime = "podman"', r"runtime, .* line 1: unknown runtime 'podman'"),
        ('time-limit = "soon"', r"time-limit, .* line 1: 'soon' is no time"),
        ("partition = ", r"slurm.toml: Invalid value"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, monkeypatch, text, says):
    monkeypatch.setenv(site.VARIABLE, str(tmp_path / "slurm.toml"))
    (tmp_path / "slurm.toml").write_text(text)
    with pytest.raises(UserError, match=says):
        site.load(Flags())


def test_the_file_is_made_of_a_template_in_which_every_setting_stands(tmp_path, monkeypatch):
    monkeypatch.setenv(site.VARIABLE, str(tmp_path / "slurm.toml"))
    assert site.load(Flags()) == site.Site(tmp_path / "slurm.toml")  # all commented out
    lines = (tmp_path / "slurm.toml").read_text().splitlines()
    settings = [line[2:] for line in lines if line.startswith("# ") and " = " in line]
    (tmp_path / "slurm.toml").write_text("\n".join(settings))
    found = site.load(Flags())
    empty = [name for name in site.Site.__dataclass_fields__ if getattr(found, name) in (None, ())]
    assert empty == []


def test_flags_stand_over_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv(site.VARIABLE, str(tmp_path / "slurm.toml"))
    (tmp_path / "slurm.toml").write_text('partition = "a"\nmemory = "4G"\nmodules = ["x"]\n')
    found = site.load(Flags(partition="b", modules="y,z"))
    assert (found.partition, found.memory, found.modules) == ("b", "4G", ("y", "z"))


def test_the_script_asks_for_what_was_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOMER_DATA", str(tmp_path))
    asked = site.Site(tmp_path, partition="p", account="a", time_limit="60", memory="8G", modules=("cuda/13.0",))
    text = batch.script(Step("torch", ("train.py",), run="r", nodes=2, devices=4), Launch(("python", "it's")), asked, 4)
    wanted = [
        "--partition=p",
        "--account=a",
        "--time=60",
        "--mem=8G",
        "--nodes=2",
        "--ntasks-per-node=4",
        "--gres=gpu:4",
    ]
    assert [line for line in wanted if f"#SBATCH {line}\n" not in text] == []
    assert "--requeue" in text and "module load cuda/13.0" in text and "'it'\"'\"'s'" in text
    assert subprocess.run(["bash", "-n"], input=text, text=True).returncode == 0


def test_a_training_on_gpus_takes_all_of_a_node(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOMER_DATA", str(tmp_path))
    monkeypatch.setenv(site.VARIABLE, str(tmp_path / "slurm.toml"))
    monkeypatch.setattr(venv, "gpu", lambda: None)  # a front node has none
    done = subprocess.run(
        [
            sys.executable,
            "tasks.py",
            "train-torch",
            "--engine",
            "slurm",
            "--dry-run",
            "--nodes",
            "2",
            "--gpus-per-node",
            "4",
        ],
        capture_output=True,
        text=True,
        cwd=project.ROOT,
        env={**os.environ, "PATH": f"{_fake_commands(tmp_path)}:{os.environ['PATH']}"},
    )
    assert done.returncode == 0, done.stderr
    assert "--devices 4 --device gpu" in done.stdout and "--gres=gpu:4" in done.stdout
    assert "torch" in done.stdout and not list(tmp_path.rglob("*.sh"))


def _fake_commands(folder: Path) -> Path:
    """Commands that are there, for what only looks whether they are."""
    for name in queue.COMMANDS:
        (folder / name).write_text("#!/bin/sh\necho UP\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.parametrize("name", ["docker", "venv"])
def test_other_engines_refuse_what_is_slurms(name, monkeypatch):
    from launcher import engines, options

    monkeypatch.setattr(engines.load(name), "unavailable", lambda: None)
    with pytest.raises(UserError, match=f"--time-limit is for --engine slurm; here the engine is {name}"):
        engines.choose(options.Steps(engine=name, time_limit="5"))


def test_without_slurm_it_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "there is no sbatch on this machine" in engine.unavailable()


def test_an_answer_goes_to_a_file(here):
    with pytest.raises(UserError, match="--json FILE"):
        engine.run(Step("onnx", ("check.py", "m", "--json", "-")))


def test_the_log_of_a_job_that_its_node_could_not_write_is_missed(here, monkeypatch):
    monkeypatch.setattr(following, "PATIENCE_SECONDS", 1.0)
    script = here / "lost.sh"
    script.write_text("#!/bin/bash\n#SBATCH --output=/nowhere/%j.log\nexit 0\n")
    identity = queue.submit([str(script)], engine.settings())
    with pytest.raises(
        UserError, match=rf"job {identity} ended \(FAILED\) and wrote no log: can its nodes \(n\d\) write"
    ):
        following.follow([(identity, Path("/nowhere") / f"{identity}.log")])
