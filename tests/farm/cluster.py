"""A Slurm of one node on this machine, from the programs that are installed: munged, slurmctld and slurmd."""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "squeue", "scancel")
START_SECONDS = 30.0
SBIN = "/usr/sbin:/sbin"

_CONF = """\
ClusterName=made
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1
ReturnToService=2
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=32000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class NotStartedError(Exception):
    """The cluster cannot start here; the text says why."""


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[dict[str, str]]:
    """Start a cluster that keeps all its files in a folder; gives the environment of its commands.

    Raises:
        NotStartedError: a program is missing, or the node does not come up.
    """
    path = f"{os.environ['PATH']}:{SBIN}"
    missing = [name for name in PROGRAMS if not shutil.which(name, path=path)]
    if missing:
        raise NotStartedError(f"{', '.join(missing)} not installed (slurmctld slurmd slurm-client munge)")
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir(parents=True, mode=0o700)
    (folder / "munge" / "key").write_bytes(secrets.token_bytes(128))
    (folder / "munge" / "key").chmod(0o400)
    conf = folder / "slurm.conf"
    host = socket.gethostname().split(".")[0]
    conf.write_text(_CONF.format(host=host, user=getpass.getuser(), folder=folder, ports=_free_ports(2)))
    (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
    environment = {**os.environ, "PATH": path, "SLURM_CONF": str(conf)}
    files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    own = [f"--{option}={folder}/munge/{name}" for option, name in files.items()]
    munge = ["munged", "--foreground", "--force", *own]
    with contextlib.ExitStack() as running:
        for words in (munge, ["slurmctld", "-D", "-i"], ["slurmd", "-D", "-N", host]):
            log = running.enter_context(open(folder / f"{words[0]}.out", "wb"))
            process = subprocess.Popen(words, env=environment, stdout=log, stderr=log, start_new_session=True)
            running.callback(_end, process)
            time.sleep(0.5)  # each needs the one before it
            if process.poll() is not None:
                raise NotStartedError(f"{words[0]} ended: {_last_line(folder / f'{words[0]}.out')}")
        _wait_for_node(environment)
        yield environment


def _wait_for_node(environment: dict[str, str]) -> None:
    end, state = time.monotonic() + START_SECONDS, ""
    while time.monotonic() < end:
        words = ["sinfo", "--noheader", "--format=%T"]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)
        state = done.stdout.strip() or done.stderr.strip()
        if state == "idle":
            return
        time.sleep(0.3)
    raise NotStartedError(f"the node does not come up: {state}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as open_ones:
        found = [open_ones.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in found]


def _last_line(path: Path) -> str:
    return (path.read_text("utf-8", "replace").strip().splitlines() or ["it said nothing"])[-1]
