"""`./inv doctor`: machines with a fault each, made of small programs, sockets and folders; each fault is named."""

from __future__ import annotations

import contextlib
import datetime
import http.server
import json
import os
import resource
import socketserver
import subprocess
import threading
import time
import zipfile
from pathlib import Path

import pytest

from launcher import archives, checkup, doctor, project
from launcher.checkup import ERROR, NOTE, WARNING, World, containers, environments, folders, gpus, machine, slurm
from launcher.engines import docker, venv

INFO = {
    "ServerVersion": "28.0.1",
    "SecurityOptions": ["name=seccomp,profile=builtin"],
    "Runtimes": {"runc": {}},
    "DockerRootDir": "/var/lib/docker",
}
NVIDIA = {"Runtimes": {"runc": {}, "nvidia": {}}}
MEMORY = "MemTotal: 16000000 kB\nMemAvailable: {} kB\n"


class Machine:
    """A machine in a folder: programs on its PATH, /proc and /sys, a data volume, a Docker engine that says INFO."""

    def __init__(self, folder: Path, engine: str) -> None:
        self.folder, self.engine = folder, engine
        for name in ("bin", "proc/sys/fs/inotify", "sys/bus/pci/devices", "shm", "home", "data"):
            (folder / name).mkdir(parents=True)
        self.socket = folder / "docker.sock"
        self.env = {"PATH": str(folder / "bin"), "HOME": str(folder / "home"), "DOCKER_HOST": f"unix://{self.socket}"}
        self.write("proc/meminfo", MEMORY.format(12_000_000))
        self.write("proc/mounts", f"disk / ext4 rw 0 0\ndisk {folder} ext4 rw 0 0\n")
        for name in machine.WATCHES:
            self.write(f"proc/sys/fs/inotify/{name}", "100000\n")
        self.program("git", 'exec /usr/bin/env -i /usr/bin/git "$@"')
        self.program("docker", "exit 0")
        self.python("exit 0")

    @property
    def world(self) -> World:
        proc, system = self.folder / "proc", self.folder / "sys"
        return World(self.engine, self.env, proc, system, self.folder / "shm", self.folder / "data")

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def program(self, name: str, script: str) -> None:
        self.write(f"bin/{name}", f"#!/bin/sh\n{script}\n")
        (self.folder / "bin" / name).chmod(0o755)

    def python(self, script: str) -> None:
        self.program(f"python{venv.PYTHON}", script)

    def without(self, program: str) -> None:
        (self.folder / "bin" / program).unlink()

    def card(self, name: str = "NVIDIA Test", driver: str = "590.10", capability: str = "9.0") -> None:
        self.write("sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de\n")
        self.write("sys/bus/pci/devices/0000:01:00.0/class", "0x030200\n")
        self.program("nvidia-smi", f'echo "{name}, {driver}, {capability}"')

    @contextlib.contextmanager
    def running(self, **info):
        """An engine that answers at the socket."""
        said = {**INFO, "SystemTime": datetime.datetime.now(datetime.UTC).isoformat(), **info}

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                is_ping = self.path.endswith("/_ping")
                body = b"OK" if is_ping else json.dumps(said | {"ApiVersion": "1.47", "Version": "28.0.1"}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain" if is_ping else "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_HEAD = do_GET  # noqa: N815

            def address_string(self):
                return "docker"

            def log_message(self, *_):
                pass

        with socketserver.ThreadingUnixStreamServer(str(self.socket), Handler) as server:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                yield self.world
            finally:
                server.shutdown()


@pytest.fixture
def made(tmp_path_factory, monkeypatch):
    containers._information.cache_clear()
    monkeypatch.setattr(docker, "unavailable", lambda: "not asked here")
    return Machine(tmp_path_factory.mktemp("m"), "docker")


@contextlib.contextmanager
def another_user(folder: Path):
    """As a user who is nobody, if this one is root."""
    if os.geteuid() != 0:
        yield
        return
    for above in folder.parents:  # pytest's own are for root alone
        if above.name.startswith("pytest-"):
            above.chmod(0o755)
    folder.chmod(0o755)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def codes(check, world: World) -> dict[str, str]:
    """Level by code, of one check; each finding has its sentence and its command."""
    found = list(check(world))
    assert all(item.sentence and item.cure for item in found)
    return {item.code: item.level for item in found}


def test_a_machine_without_faults(made):
    made.card()
    made.program("nvidia-ctk", "exit 0")
    with made.running(**NVIDIA) as world:
        assert checkup.examine(world) == []


def test_no_docker_at_all(made):
    made.without("docker")
    assert codes(containers.find_engine, made.world) == {"engine-missing": NOTE}


def test_engine_not_running(made):
    assert codes(containers.find_engine, made.world) == {"engine-not-running": ERROR}
    made.engine = "venv"
    assert codes(containers.find_engine, made.world) == {"engine-not-running": WARNING}


def test_no_permission(made):
    with made.running() as world:
        made.socket.chmod(0)
        with another_user(made.folder):
            assert codes(containers.find_engine, world) == {"engine-no-permission": ERROR}


def test_rootless(made):
    with made.running(SecurityOptions=["name=rootless"]) as world:
        assert codes(containers.find_engine, world) == {"engine-rootless": ERROR}


def test_engine_too_old(made):
    with made.running(ServerVersion="19.03.15") as world:
        assert codes(containers.find_engine, world) == {"engine-too-old": ERROR}


@pytest.mark.parametrize("plugin", ["compose", "buildx"])
def test_plugin_missing(made, plugin):
    made.program("docker", f'[ "$1" != {plugin} ]')
    assert codes(containers.find_plugins, made.world) == {f"{plugin}-missing": ERROR}


def test_the_engines_clock(made):
    ahead = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=90)).isoformat()
    with made.running(SystemTime=ahead) as world:
        assert codes(containers.find_clock_difference, world) == {"clock-skew": ERROR}


def test_no_card(made):
    assert codes(gpus.find_driver, made.world) == {"gpu-none": NOTE}


def test_driver_missing(made):
    made.card()
    made.without("nvidia-smi")
    assert codes(gpus.find_driver, made.world) == {"driver-missing": WARNING}


def test_driver_broken(made):
    made.card()
    made.program("nvidia-smi", "echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18")
    (found,) = gpus.find_driver(made.world)
    assert found.code == "driver-broken"
    assert "version mismatch" in found.sentence


def test_driver_too_old_for_an_image(made):
    cuda = gpus.image_cuda()
    assert set(cuda) == set(project.images()), "every image brings CUDA"
    made.card(driver="550.54.14")
    wanted = {f"driver-too-old-{image}": WARNING for image, major in cuda.items() if major > 12}
    assert codes(gpus.find_old_driver, made.world) == wanted
    made.card(driver="470.1")
    assert codes(gpus.find_old_driver, made.world) == {f"driver-too-old-{image}": WARNING for image in cuda}


def test_card_too_old_for_an_image(made):
    made.card("Tesla V100", capability="7.0")
    wanted = {f"card-too-old-{image}": WARNING for image, major in gpus.image_cuda().items() if major > 12}
    assert codes(gpus.find_old_driver, made.world) == wanted


def test_toolkit_not_configured(made):
    made.card()
    with made.running() as world:
        (found,) = gpus.find_toolkit(world)
    assert found.code == "toolkit-not-configured"
    assert "install nvidia-container-toolkit" in found.cure
    made.program("nvidia-ctk", "exit 0")
    containers._information.cache_clear()
    made.socket.unlink()
    with made.running() as world:
        (found,) = gpus.find_toolkit(world)
    assert "install" not in found.cure


def test_gpu_hidden_in_an_image(made, monkeypatch):
    monkeypatch.setattr(docker, "is_ready", lambda _: True)
    made.card()
    made.program("docker", "echo 'Failed to initialize NVML: Unknown Error' >&2; exit 255")
    with made.running(**NVIDIA) as world:
        (found,) = gpus.find_toolkit(world)
    assert found.code.startswith("gpu-hidden-")
    assert "Unknown Error" in found.sentence


def test_onnxruntime_on_the_cpu(made, monkeypatch):
    made.engine = "venv"
    made.card()
    home = made.folder / "environment"
    made.write("environment/bin/python", "#!/bin/sh\nexit 1\n")
    (home / "bin" / "python").chmod(0o755)
    monkeypatch.setattr(venv, "folder", lambda *_: home)
    monkeypatch.setattr(venv, "is_ready", lambda *_: True)
    assert codes(gpus.find_runtime_on_cpu, made.world) == {"onnxruntime-on-cpu": WARNING}


def test_little_memory(made):
    made.write("proc/meminfo", MEMORY.format(1_000_000))
    assert codes(machine.find_memory, made.world) == {"memory-low": WARNING}


def test_little_shared_memory(made):
    """A file system of 1 MB, where this user may mount one."""
    made.engine = "venv"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(made.folder / "shm")], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("this user may mount nothing")
    try:
        assert codes(machine.find_memory, made.world) == {"shm-low": WARNING}
    finally:
        subprocess.run(["umount", str(made.folder / "shm")], check=True)


def test_few_open_files(made):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        assert codes(machine.find_limits, made.world) == {"open-files-low": WARNING}
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_few_watches(made):
    made.write("proc/sys/fs/inotify/max_user_watches", "1024\n")
    assert codes(machine.find_limits, made.world) == {"inotify-low": WARNING}


def test_clock_behind(made):
    made.program("git", f"echo {int(time.time()) + 86400}")
    assert codes(machine.find_clock, made.world) == {"clock-behind": WARNING}


def test_proxy_that_builds_do_not_know(made):
    made.env["HTTPS_PROXY"] = "http://user:secret@proxy:3128"
    (found,) = machine.find_proxy(made.world)
    assert (found.code, found.level) == ("proxy-not-in-docker", WARNING)
    assert "secret" not in found.sentence + found.cure
    made.write("home/.docker/config.json", json.dumps({"proxies": {"default": {"httpsProxy": "http://proxy:3128"}}}))
    assert codes(machine.find_proxy, made.world) == {}


def test_certificates(made):
    made.env["SSL_CERT_FILE"] = str(made.folder / "gone.pem")
    assert codes(machine.find_certificates, made.world) == {"ca-missing": ERROR}
    made.write("gone.pem", "there again")
    assert codes(machine.find_certificates, made.world) == {"ca-custom": NOTE}


def test_python_without_venv(made):
    made.python("exit 1")
    assert codes(machine.find_python, made.world) == {"python-no-venv": WARNING}


def test_volume_not_writable(made):
    made.world.data.chmod(0o555)
    with another_user(made.folder):
        assert codes(folders.find_volume, made.world) == {"volume-not-writable": ERROR}


def test_volume_of_roots(made):
    if os.geteuid() != 0:
        pytest.skip("only root can make a folder of root's")
    made.world.data.chmod(0o777)
    (made.world.data / "runs").mkdir()
    with another_user(made.folder):
        assert codes(folders.find_volume, made.world) == {"volume-owned-by-root": ERROR}


def test_slow_and_remote_volumes(made, monkeypatch):
    made.write("proc/mounts", f"disk / ext4 rw 0 0\nserver:/home {made.folder} nfs4 rw 0 0\n")
    assert codes(folders.find_disk_kind, made.world) == {"volume-remote": NOTE}
    monkeypatch.setattr(os, "fsync", lambda _: time.sleep(0.5))
    (found,) = folders.find_disk_kind(made.world)
    assert found.code == "volume-slow"
    assert "nfs4" in found.sentence


def test_case_insensitive_volume(made, monkeypatch):
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: exists(path) or exists(path.with_name(path.name.lower())))
    assert codes(folders.find_disk_kind, made.world) == {"volume-case-insensitive": WARNING}


def test_full_volume_and_little_room(made, monkeypatch):
    monkeypatch.setattr(folders, "free", lambda _: 1.0)
    assert codes(folders.find_disk_kind, made.world) == {"volume-full": ERROR}
    made.engine = "venv"
    monkeypatch.setattr(venv, "is_ready", lambda *_: False)
    assert codes(folders.find_disk, made.world) == {"disk-low": WARNING}


def test_stale_environment(made, monkeypatch, tmp_path):
    made.engine = "venv"
    monkeypatch.setattr(venv, "VENVS", tmp_path)
    for image in project.images():
        (tmp_path / f"{image}-0123456789ab").mkdir()
    wanted = {f"environment-stale-{image}": NOTE for image in project.images()}
    assert codes(environments.find_stale, made.world) == wanted


def test_stale_image(made, monkeypatch):
    monkeypatch.setattr(docker, "unavailable", lambda: None)
    monkeypatch.setattr(docker, "built", lambda _: object())
    monkeypatch.setattr(docker, "is_ready", lambda _: False)
    assert codes(environments.find_stale, made.world) == {f"image-stale-{image}": NOTE for image in project.images()}


def test_locks(made, monkeypatch, tmp_path):
    assert codes(environments.find_locks, made.world) == {}
    monkeypatch.setattr(project, "ROOT", tmp_path)
    (tmp_path / "requirements.in").write_text("a.b==2\n")
    (tmp_path / "requirements.lock").write_text("a-b==1 \\\n    --hash=sha256:0\n")
    monkeypatch.setattr(environments.locks, "locked", lambda: [tmp_path / "requirements.in"])
    (found,) = environments.find_locks(made.world)
    assert (found.code, found.cure) == ("lock-out-of-date", "./inv lock")
    assert "asks for a-b 2; its lock has 1" in found.sentence


@pytest.fixture
def front_node(made):
    """A cluster's front node, with settings and a shared disk."""
    made.engine = "slurm"
    for name in ("sbatch", "squeue", "scancel"):
        made.program(name, "exit 0")
    made.program("scontrol", "echo 'Slurmctld(primary) at c1 is UP'")
    made.program("sinfo", "echo cpu; echo gpu")
    made.program("srun", "echo --container-image=PATH")
    made.write("proc/mounts", "server:/ / nfs4 rw 0 0\n")
    made.env["ISOMER_SLURM"] = str(made.folder / "slurm.toml")
    made.write("slurm.toml", 'partition = "gpu"\n')
    return made


def slurm_codes(world: World) -> dict[str, str]:
    checks = (slurm.find_commands, slurm.find_settings, slurm.find_what_is_not_shared, slurm.find_runtime)
    return {code: level for check in checks for code, level in codes(check, world).items()}


@pytest.fixture
def all_made(monkeypatch):
    monkeypatch.setattr(venv, "is_ready", lambda *_: True)


def test_a_cluster_without_faults(front_node, all_made):
    assert slurm_codes(front_node.world) == {}


def test_nobody_means_a_cluster(made):
    assert slurm_codes(made.world) == {}


def test_no_slurm(front_node, all_made):
    front_node.without("sbatch")
    assert slurm_codes(front_node.world) == {"slurm-missing": ERROR}
    front_node.engine = "venv"
    assert slurm_codes(front_node.world) == {"slurm-missing": WARNING}, "slurm.toml says that one is meant"


def test_a_controller_that_is_silent(front_node, all_made):
    front_node.program("scontrol", "echo 'Slurmctld(primary) at c1 is DOWN'")
    (found,) = slurm.find_commands(front_node.world)
    assert (found.code, found.level) == ("slurm-controller-silent", ERROR)
    assert "at c1 is DOWN" in found.sentence


def test_settings_of_a_cluster(front_node, all_made):
    front_node.write("slurm.toml", 'partition = "gpus"\n')
    (found,) = slurm.find_settings(front_node.world)
    assert found.code == "slurm-partition-unknown" and "slurm.toml line 1" in found.sentence
    assert "did you mean 'gpu'?" in found.sentence
    front_node.write("slurm.toml", "partion = 3\n")
    (found,) = slurm.find_settings(front_node.world)
    assert (found.code, found.level) == ("slurm-settings-wrong", ERROR) and "'partition'?" in found.sentence
    (front_node.folder / "slurm.toml").unlink()
    assert slurm_codes(front_node.world) == {"slurm-no-settings": NOTE}
    assert not (front_node.folder / "slurm.toml").exists(), "a check makes nothing"


def test_folders_that_nodes_do_not_see(front_node, all_made):
    front_node.write("proc/mounts", "disk / xfs rw 0 0\n")
    found = list(slurm.find_what_is_not_shared(front_node.world))
    assert [(item.code, item.level) for item in found] == [("slurm-disk-local", WARNING)] * 2
    assert "the data volume" in found[0].sentence and "the repository" in found[1].sentence
    front_node.write("slurm.toml", f'shared = ["{front_node.folder}"]\n')
    (found,) = slurm.find_what_is_not_shared(front_node.world)
    assert (found.code, found.level) == ("slurm-not-shared", ERROR) and "the repository" in found.sentence
    front_node.write("slurm.toml", f'shared = ["{project.ROOT}"]\n')
    (found,) = slurm.find_what_is_not_shared(front_node.world)
    assert "the data volume" in found.sentence and "ISOMER_DATA" in found.cure


def test_a_container_runtime_that_lacks_something(front_node):
    front_node.write("slurm.toml", 'runtime = "pyxis"\n')
    assert slurm_codes(front_node.world) == {"slurm-no-archives": ERROR}
    front_node.write("slurm.toml", f'runtime = "pyxis"\narchives = "{front_node.folder}"\n')
    missing = {f"slurm-archive-missing-{image}": WARNING for image in project.images()}
    assert slurm_codes(front_node.world) == missing
    front_node.program("srun", "echo --cpus-per-task=N")
    assert slurm_codes(front_node.world) == missing | {"slurm-runtime-missing": ERROR}
    for image in project.images():
        front_node.write(archives.name(image, archives.SQUASH), "")
    assert slurm_codes(front_node.world) == {"slurm-runtime-missing": ERROR}


def test_no_room_for_the_environments_of_a_cluster(front_node, monkeypatch):
    monkeypatch.setattr(venv, "is_ready", lambda *_: False)
    monkeypatch.setattr(folders, "free", lambda _: 1.0)
    assert slurm_codes(front_node.world) == {"disk-low": WARNING}


def test_what_gives_no_answer_is_named(made, monkeypatch):
    made.program("nvidia-smi", "sleep 30")
    monkeypatch.setattr(checkup, "ASK_SECONDS", 0.5)
    with made.running() as world:
        start = time.monotonic()
        assert "driver-broken" in {found.code for found in checkup.examine(world)}
    assert time.monotonic() - start < 10


def test_json_and_bundle_hold_no_private_path(monkeypatch, tmp_path, capsys, data):
    monkeypatch.delenv("ISOMER_ENGINE", raising=False)
    (data / "runs" / "one").mkdir(parents=True)
    (data / "runs" / "one" / "run.json").write_text(json.dumps({"state": "done", "where": str(data / "x")}))
    bundle = tmp_path / "bundle.zip"
    _main("doctor", "--engine", "venv", "--bundle", str(bundle))
    with zipfile.ZipFile(bundle) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert {"doctor.json", "runs/one/run.json", "docker.txt"} <= set(texts)
    private = [str(data), str(project.ROOT), str(Path.home())]
    assert not [word for word in private if len(word) > 2 and any(word in text for text in texts.values())]
    assert json.loads(texts["runs/one/run.json"]) == {"state": "done", "where": "<DATA>/x"}
    capsys.readouterr()
    _main("doctor", "--engine", "venv", "--json", "--bundle", str(bundle))
    said = json.loads(capsys.readouterr().out)
    assert said["facts"]["engine"].startswith("venv")
    assert all(set(item) == {"code", "level", "sentence", "cure"} for item in said["findings"])


def _main(verb: str, *flags: str) -> None:
    from isomer import answers
    from isomer import flags as isomer_flags
    from launcher import options
    from launcher.verbs import Parsed

    parsed = isomer_flags.given(options.Doctor, isomer_flags.parser(options.Doctor, verb), list(flags))
    with answers.alone(parsed.get("json")):
        doctor.run(Parsed(options.Doctor(**parsed), parsed, list(flags)))
