"""Accounts for the test cluster: Slurm's database daemon on a MariaDB of its own, with the account `lab`.

With them an account that does not exist is refused in Slurm's own words, and so is, when it is submitted, what no
partition can ever run: as on sites that account for their users' time. Takes about eight seconds to start, which is why
a cluster has none unless asked.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from slurm_machine import call, path, wait

PROGRAMS = ("slurmdbd", "sacctmgr", "mariadbd", "mariadb-install-db")
PACKAGES = "slurmdbd mariadb-server-core mariadb-client-core"
ACCOUNT = "lab"

CONFIGURATION = """
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost={address}
AccountingStoragePort={port}
AccountingStoragePass={folder}/munge.socket
AccountingStorageEnforce=associations,qos
EnforcePartLimits=ALL
"""
DAEMON = """\
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost={host}
DbdPort={port}
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
"""
# a database that nobody needs after the machine stopped: nothing waits for the disk
QUICK = (
    *("--no-defaults", "--user=root", "--innodb-log-file-size=4M", "--innodb-flush-method=nosync"),
    *("--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--innodb-use-native-aio=0"),
)


def configure(folder: Path, host: str, address: str, port: int) -> str:
    """What slurm.conf says of it; slurmdbd.conf is written beside, where Slurm looks for it."""
    file = folder / "slurmdbd.conf"
    file.write_text(DAEMON.format(folder=folder, host=host, port=port))
    file.chmod(0o600)
    return CONFIGURATION.format(folder=folder, address=address, port=port)


def start(folder: Path) -> None:
    """The database, Slurm's daemon before it, and the account of who runs the tests. Before the controller starts."""
    place = folder / "database.socket"
    options = (*QUICK, f"--datadir={folder}/database")
    own = ("--skip-networking", "--skip-grant-tables", "--innodb-buffer-pool-size=32M", f"--socket={place}")
    environment = os.environ | {"PATH": path(), "SLURM_CONF": f"{folder}/slurm.conf", "MYSQL_UNIX_PORT": str(place)}
    call("mariadb-install-db", *options, "--auth-root-authentication-method=normal", "--skip-test-db")
    with (folder / "database.log").open("w") as log:
        server = ["mariadbd", *options, *own]
        subprocess.Popen(
            server, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
        )
    wait(place.exists, f"no database; see {folder}/database.log")
    log = folder / "slurmdbd.log"
    log.unlink(missing_ok=True)
    call("slurmdbd", env=environment)
    wait(lambda: log.exists() and "started" in log.read_text(), f"no slurmdbd; see {log}")
    for words in ("cluster isomer", f"account {ACCOUNT} cluster=isomer", f"user root account={ACCOUNT}"):
        call("sacctmgr", "--immediate", "add", *words.split(), env=environment)
