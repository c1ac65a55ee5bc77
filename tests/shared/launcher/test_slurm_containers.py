"""Images in container runtimes on a cluster: what a step sees inside, by real Apptainer; pyxis's options by its manual.

Apptainer is not in Debian 12 (Debian unstable has it): where there is none, its tests skip. Pyxis and enroot were never
at hand: that srun takes the options is known from their manual alone; what they ask for is tried by a stand-in for srun
that reads them as the manual says, and has Apptainer run the squashfs.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from isomer.errors import UserError
from launcher import archives, mounts, project
from launcher.engines import docker, slurm
from launcher.options import Site as Flags
from launcher.slurm import probe, queue, runtimes, site
from launcher.step import Output, Step

IMAGE = "torch"  # that trains: datasets are read-only
STAND_IN = "stand-in"  # an image of a few files, whose Python says what it sees
# As https://github.com/NVIDIA/pyxis/wiki/Usage lists them
PYXIS = {
    "container-image",
    "container-mounts",
    "container-workdir",
    "no-container-mount-home",
    "no-container-remap-root",
    "no-container-entrypoint",
}
PYTHON = """#!/bin/sh
say() { echo "$SLURM_PROCID: $*"; }
writes() { touch "$1" 2>/dev/null && say "writes $1" || say "cannot write $1"; }
case $1 in
fails.py) exit 3 ;;
waits.py)
  trap 'say saving; exit 0' TERM
  say waits
  while :; do sleep 0.2; done ;;
esac
for word; do say "word $word"; done
say "in $PWD of $(hostname), user $(id -u), umask $(umask), $(. /etc/os-release; echo $ID)"
for name in HOME TMPDIR PATH PYTHONPATH ISOMER_DATA ISOMER_ENGINE ISOMER_ENVIRONMENT ISOMER_NODES MINE WORDS SITE; do
  eval "say \\"$name=\\$$name\\""
done
writes /inside; writes /data/made; writes /data/datasets/made; writes /tmp/made; writes /dev/shm/made
shift
for path; do [ -f "$path" ] && say "read $(cat "$path")"; [ -d "$path" ] && writes "$path/made"; done
exit 0
"""
SRUN = """#!{python}
import os, sys
words = sys.argv[1:]
first = next(place for place, word in enumerate(words) if not word.startswith("--"))
given = dict(word[2:].partition("=")[::2] for word in words[:first])
asked = {{name: given.pop(name) for name in list(given) if "container" in name}}
binds = [word for mount in asked["container-mounts"].split(",") for word in ("--bind", mount)]
inside = ["apptainer", "--silent", "exec", "--no-mount", "home,cwd,tmp", "--bind", "/tmp", *binds]
inside += ["--pwd", asked["container-workdir"], asked["container-image"]]
options = [f"--{{name}}={{value}}" for name, value in given.items()]
os.execv("{srun}", ["srun", *options, *inside, *words[first:]])
"""
DOCKERFILE = """
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY python /opt/venv/bin/python
COPY python /opt/isomer/images/torch/train.py
ENV WORDS="two words" PATH=/opt/venv/bin:$PATH HOME=/tmp
WORKDIR /opt/isomer/images/torch
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with both archives of the stand-in."""
    for program in ("apptainer", archives.MAKE_SQUASH):
        if not shutil.which(program):
            pytest.skip(f"no {program} on this machine")
    if reason := docker.unavailable():
        pytest.skip(reason)
    base = os.environ.get("ISOMER_BASE_IMAGE")
    if not base:
        pytest.skip("ISOMER_BASE_IMAGE names no base image")
    context, folder = tmp_path_factory.mktemp("context"), tmp_path_factory.mktemp("archives")
    (context / "python").write_text(PYTHON)
    (context / "python").chmod(0o755)
    (context / "Dockerfile").write_text(DOCKERFILE)
    tag = docker.image_tag(STAND_IN)
    line = ["docker", "build", "--quiet", "--build-arg", f"BASE_IMAGE={base}", "--tag", tag, str(context)]
    subprocess.run(line, check=True, capture_output=True)
    prepare, docker.prepare = docker.prepare, lambda _: None
    try:
        archives.write(STAND_IN, folder)
    finally:
        docker.prepare = prepare
        subprocess.run(["docker", "rmi", tag], check=False, capture_output=True)
    return folder


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """A site's settings, in a file that names a folder of archives, and an empty data volume."""
    for name in ("data/datasets", "archives"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setenv("ISOMER_DATA", str(tmp_path / "data"))
    monkeypatch.setenv(site.VARIABLE, str(tmp_path / "slurm.toml"))
    monkeypatch.setattr(probe, "KEPT", tmp_path / "kept")
    lines = ['runtime = "apptainer"', f'archives = "{tmp_path / "archives"}"', 'setup = ["export SITE=ib0"]']
    (tmp_path / "slurm.toml").write_text("\n".join(lines) + "\n")
    slurm.use(Flags())
    yield slurm.settings()
    slurm._settings.clear()
    for left in ("/tmp/made", "/dev/shm/made"):  # of the stand-in, which tries them
        Path(left).unlink(missing_ok=True)


@pytest.fixture
def cluster(slurm, settings, monkeypatch):
    """The settings' cluster."""
    for name, value in slurm.env.items():
        monkeypatch.setenv(name, value)
    return slurm


def put(made: Path, settings: site.Site, suffix: str) -> Path:
    """The stand-in's archive in the site's folder, as that of the image as it is now."""
    (source,) = made.glob(f"*{suffix}")
    target = settings.archives / archives.name(IMAGE, suffix)
    os.link(source, target)
    return target


def said(settings: site.Site) -> list[str]:
    """What the last job's log holds."""
    logs = sorted(project.volume().jobs.glob("*.log"), key=lambda path: int(path.stem))
    return logs[-1].read_text().splitlines()


def test_a_step_sees_what_it_needs_and_no_more(made, cluster, settings, tmp_path):
    put(made, settings, archives.SQUASH)
    for name in ("outside", "results"):
        (tmp_path / name).mkdir()
    (tmp_path / "outside" / "a file.bin").write_text("read me")
    project.volume().root.joinpath("inner.txt").write_text("inner")
    words = (
        tmp_path / "outside" / "a file.bin",
        tmp_path / "outside",
        Output(tmp_path / "results" / "new.onnx"),
        project.volume().root / "inner.txt",
    )
    old = os.umask(0o027)
    try:
        code = slurm.run(Step(IMAGE, ("train.py", "--lr", "1e-3", *words), env={"MINE": "a b", "TMPDIR": "/tmp"}))
    finally:
        os.umask(old)
    lines = said(settings)
    assert code == 0, lines
    for expected in (
        "0: word 1e-3",
        f"0: word {tmp_path}/outside/a file.bin",
        f"0: word {tmp_path}/results/new.onnx",
        "0: word /data/inner.txt",
        "0: read read me",
        "0: read inner",
        f"0: in /opt/isomer/images/torch of n1, user {os.getuid()}, umask 0027, debian",
        f"0: HOME=/tmp/isomer-{os.getuid()}",
        "0: PYTHONPATH=/opt/isomer/shared",
        "0: ISOMER_DATA=/data",
        "0: ISOMER_ENGINE=slurm",
        f"0: ISOMER_ENVIRONMENT={archives.name(IMAGE, archives.SQUASH)}",
        "0: ISOMER_NODES=n1",
        "0: MINE=a b",
        "0: WORDS=two words",
        "0: SITE=ib0",
        "0: cannot write /inside",
        "0: writes /data/made",
        "0: cannot write /data/datasets/made",
        "0: writes /tmp/made",
        "0: writes /dev/shm/made",
        f"0: cannot write {tmp_path}/outside/made",
    ):
        assert expected in lines, "\n".join(lines)
    assert any(line.startswith("0: PATH=/opt/venv/bin:") for line in lines)
    assert (project.volume().root / "made").stat().st_uid == os.getuid()


def test_its_processes_on_two_nodes(made, cluster, settings):
    put(made, settings, archives.SQUASH)
    assert slurm.run(Step(IMAGE, ("train.py",), nodes=2, devices=2)) == 0
    lines = said(settings)
    assert {line for line in lines if "ISOMER_NODES" in line} == {f"{rank}: ISOMER_NODES=n1,n2" for rank in range(4)}
    assert sorted(re.findall(r" of (n\d),", "\n".join(lines))) == ["n1", "n1", "n2", "n2"]


def test_its_exit_code_is_the_jobs(made, cluster, settings):
    put(made, settings, archives.SQUASH)
    assert slurm.run(Step(IMAGE, ("fails.py",))) == 3


def test_a_signal_reaches_the_step_and_it_ends_by_itself(made, cluster, settings):
    """As the batch script sends it before the time limit."""
    put(made, settings, archives.SQUASH)
    identity, log = slurm.submit(Step(IMAGE, ("waits.py",)))
    deadline = time.monotonic() + 30
    while "0: waits" not in (log.read_text() if log.exists() else ""):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    queue.run(["scancel", "--signal=TERM", f"{identity}.0"])
    assert slurm.follow(identity, log) == 0
    assert "0: saving" in log.read_text()


def test_what_pyxis_is_asked_for_is_a_step_that_sees_the_same(made, cluster, settings, tmp_path):
    """As a stand-in reads it."""
    put(made, settings, archives.SQUASH)
    programs = {"srun": SRUN.format(python=sys.executable, srun=shutil.which("srun")), "enroot": "#!/bin/sh\n"}
    (tmp_path / "bin").mkdir()
    for name, text in programs.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    lines = settings.source.read_text().replace('"apptainer"', '"pyxis"')
    settings.source.write_text(lines.replace('"export SITE=ib0"', f'"PATH={tmp_path}/bin:$PATH"'))
    slurm.use(Flags())
    assert slurm.run(Step(IMAGE, ("train.py", settings.archives), nodes=2)) == 0
    lines = said(settings)
    for expected in (
        f"1: word {settings.archives}",
        f"1: in /opt/isomer/images/torch of n2, user {os.getuid()}, umask 0022, debian",
        f"1: HOME=/tmp/isomer-{os.getuid()}",
        "1: ISOMER_DATA=/data",
        "1: ISOMER_NODES=n1,n2",
        f"1: ISOMER_ENVIRONMENT={archives.name(IMAGE, archives.SQUASH)}",
        "1: writes /data/made",
        "1: cannot write /data/datasets/made",
        f"1: cannot write {settings.archives}/made",
    ):
        assert expected in lines, "\n".join(lines)


@pytest.mark.slow
def test_of_a_docker_archive_the_first_of_two_jobs_makes_apptainers_own_image(made, cluster, settings):
    archive = put(made, settings, archives.TAR)
    codes = {}

    def run(number: int) -> None:
        identity, log = slurm.submit(Step(IMAGE, ("train.py", str(number))))
        codes[number] = slurm.follow(identity, log), log

    both = [threading.Thread(target=run, args=[number]) for number in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    texts = [log.read_text() for _, log in codes.values()]
    assert [code for code, _ in codes.values()] == [0, 0], texts
    assert sum("making" in text for text in texts) == 1
    assert all(f"0: ISOMER_ENVIRONMENT={archive.name}" in text and "0: WORDS=two words" in text for text in texts)
    assert archive.with_suffix(runtimes.OWN).is_file() and not list(settings.archives.glob("*.part"))
    assert runtimes.of(settings).launch(Step(IMAGE, ("train.py",))).before == ()


def test_a_node_that_does_not_see_the_archive_is_named(made, cluster, settings):
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "tmpfs", str(settings.archives)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("this user may mount nothing")
    try:  # the nodes have mounts of their own
        (settings.archives / archives.name(IMAGE, archives.SQUASH)).write_text("seen here alone")
        with pytest.raises(UserError, match=r"node n1 cannot read .*\.sqsh: keep the archives on a file system"):
            slurm.submit(Step(IMAGE, ("train.py",)))
    finally:
        subprocess.run(["umount", str(settings.archives)], check=True)


def test_a_node_without_the_runtime_is_named(cluster, settings, monkeypatch):
    (settings.archives / archives.name(IMAGE, archives.SQUASH)).write_text("")
    monkeypatch.setattr(runtimes.Apptainer, "program", "apptainer-of-another-name")
    with pytest.raises(UserError, match=r"node n1 has no apptainer-of-another-name, .*slurm.toml line 1.*modules"):
        slurm.submit(Step(IMAGE, ("train.py",)))


def test_a_cluster_without_pyxis_says_so(cluster, settings):
    with pytest.raises(UserError, match="this cluster's srun has no --container-image, so no pyxis"):
        runtimes.of(dataclasses.replace(settings, runtime="pyxis")).prepare(IMAGE, "cpu")


def test_a_missing_or_stale_archive(settings):
    runtime = runtimes.of(settings)
    assert not runtime.is_ready(IMAGE, "cpu")
    command = f"`./inv build --archive {settings.archives} --image {IMAGE}` on a machine with Docker writes it"
    with pytest.raises(UserError, match=re.escape(f"there is none of {IMAGE}: {command}")):
        runtime.prepare(IMAGE, "cpu")
    (settings.archives / f"isomer-{IMAGE}-0123456789ab.tar").write_text("")
    with pytest.raises(UserError, match=r"isomer-torch-0123456789ab.tar is of other files than those here: `./inv"):
        runtime.prepare(IMAGE, "cpu")
    (settings.archives / archives.name(IMAGE, archives.TAR)).write_text("")
    runtime.prepare(IMAGE, "cpu")
    assert archives.name(IMAGE, archives.TAR) in runtime.describe(IMAGE)


def test_the_sites_folders_can_be_typed(settings, tmp_path):
    made = site.load(Flags(runtime="pyxis", archives=str(tmp_path / "others"), shared="/home,/scratch"))
    assert (made.archives, made.shared) == (tmp_path / "others", ("/home", "/scratch"))
    with pytest.raises(UserError, match=r"others \(--archives\), there is none of torch"):
        runtimes.Container.prepare(runtimes.of(made), IMAGE, "cpu")


def test_a_site_that_says_no_folder_of_archives(settings):
    runtime = runtimes.of(dataclasses.replace(settings, archives=None))
    assert not runtime.is_ready(IMAGE, "cpu") and "no archive" in runtime.describe(IMAGE)
    with pytest.raises(UserError, match=r"slurm.toml line 1: apptainer runs archives.*archives in .*slurm.toml"):
        runtime.prepare(IMAGE, "cpu")


@pytest.mark.parametrize(("runtime", "name"), [("apptainer", "a,b"), ("apptainer", "a:b"), ("pyxis", "a b")])
def test_a_path_that_a_runtime_cannot_mount(settings, tmp_path, runtime, name):
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=f"{runtime} cannot mount a path with"):
        runtimes.of(dataclasses.replace(settings, runtime=runtime)).launch(Step(IMAGE, ("train.py", tmp_path / name)))


def test_gpus_are_given_to_a_step_that_computes_on_them(settings):
    for device, is_given in (("gpu", True), ("cpu", False)):
        step = Step(IMAGE, ("train.py",), device=device)
        assert ("--nv" in runtimes.of(settings).launch(step).argv) is is_given
        launch = runtimes.of(dataclasses.replace(settings, runtime="pyxis")).launch(step)
        assert (launch.env.get("NVIDIA_VISIBLE_DEVICES") == "all") is is_given


def test_pyxis_is_given_options_that_its_manual_has(settings, tmp_path):
    root, folder = tmp_path / "data", tmp_path / "outside"
    folder.mkdir()
    launch = runtimes.of(dataclasses.replace(settings, runtime="pyxis")).launch(Step(IMAGE, ("train.py", folder)))
    options = dict(option.removeprefix("--").partition("=")[::2] for option in launch.srun)
    assert options.keys() == PYXIS
    assert options["container-image"] == str(settings.archives / archives.name(IMAGE, archives.SQUASH))
    assert options["container-mounts"].split(",") == [
        f"{root}:/data",
        f"{root}/datasets:/data/datasets:ro",
        f"{folder}:{folder}:ro",
    ]
    assert options["container-workdir"] == "/opt/isomer/images/torch"
    assert launch.argv[-3:] == (str(mounts.VENV / "bin" / "python"), "train.py", str(folder))
