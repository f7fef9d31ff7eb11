"""A real Slurm cluster on this machine, on loopback: controller, five nodes, munge, fake GPUs.

python tests/slurm/cluster.py start FOLDER     # as root, on a machine that has no Slurm of its own
python tests/slurm/cluster.py stop FOLDER

`start` installs Debian's packages if they are missing. All nodes are this machine: they offer more
CPUs and memory than it has, because the tests look at what Slurm does and not at how fast.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
# Names and features: a pair of nodes for each test that takes a node away.
NODES = {"n1": "steady", "n2": "spot", "n3": "spot", "n4": "old", "n5": "old"}
CPUS, MEMORY_MB, GPUS = 16, 64_000, 2  # of a node
# Slurm strips SLURM_CONF from a step's environment: its files must lie where it looks by itself.
SYSTEM = Path("/etc/slurm")
FILES = ("slurm.conf", "gres.conf", "cgroup.conf")

SLURM_CONF = """\
ClusterName=tangent
SlurmctldHost=localhost
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
MailProg=/bin/true
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
{tracking}
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=1
SlurmdParameters=config_overrides
EnforcePartLimits=ALL
GresTypes=gpu
ReturnToService=2
MinJobAge=3600
KillWait=120
SlurmdTimeout=30
AccountingStorageType=accounting_storage/none
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
{nodes}
PartitionName=cpu Nodes=ALL Default=YES MaxTime=24:00:00 PriorityTier=10 PreemptMode=OFF
PartitionName=gpu Nodes=ALL MaxTime=24:00:00 PriorityTier=10 PreemptMode=OFF
PartitionName=low Nodes=ALL MaxTime=24:00:00 PriorityTier=1 PreemptMode=REQUEUE GraceTime=120
"""
# As clusters do it; without writable cgroups (containers) by process groups.
CGROUPS = """\
ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup
JobAcctGatherType=jobacct_gather/cgroup"""
PROCESS_GROUPS = """\
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux"""
CGROUP_CONF = """\
CgroupPlugin=cgroup/v1
CgroupAutomount=no
CgroupMountpoint=/sys/fs/cgroup
ConstrainRAMSpace=yes
ConstrainCores=no
ConstrainDevices=no
"""


class CannotRun(Exception):
    """Slurm cannot be installed or started here; says why."""


@dataclass(frozen=True)
class Cluster:
    """A cluster whose state and logs lie in `folder`."""

    folder: Path

    def start(self) -> None:
        """Install what is missing and start controller and nodes.

        Raises:
            CannotRun: this is not root, there is a Slurm of another origin, packages cannot be
                installed, or a daemon does not come up.
        """
        if os.geteuid() != 0:
            raise CannotRun("only root can install and start Slurm's daemons")
        install()
        for name in FILES:
            file = SYSTEM / name
            if file.exists() and not file.is_symlink():
                raise CannotRun(f"{file} exists: this machine has a Slurm of its own")
        self._write()
        try:
            start_munge()
            self._run("slurmctld", "-c")
            for node in NODES:
                self.start_node(node)
            self._wait_until_idle()
        except CannotRun:
            self.stop()
            raise

    def start_node(self, name: str) -> None:
        """Start the daemon of a node."""
        self._run("slurmd", "-N", name)

    def kill_node(self, name: str, job: str) -> None:
        """What a power cut does: the node's daemon and all processes of its job die at once."""
        pid_file = self.folder / f"slurmd-{name}.pid"
        os.kill(int(pid_file.read_text()), signal.SIGKILL)
        pid_file.unlink()  # another process may get the number
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes()
                environment = (process / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            is_step = command.startswith(f"slurmstepd: [{job}.".encode())
            if is_step or f"SLURM_JOB_ID={job}".encode() in environment:
                os.kill(int(process.name), signal.SIGKILL)

    def stop(self) -> None:
        """End all jobs and daemons; munge stays."""
        with contextlib.suppress(subprocess.TimeoutExpired):  # the controller may not have come up
            subprocess.run(["scancel", "--user=root", "--hurry"], capture_output=True, timeout=30)
        for pid_file in self.folder.glob("*.pid"):
            stop_process(int(pid_file.read_text()))
            pid_file.unlink(missing_ok=True)
        for name in FILES:
            if (SYSTEM / name).is_symlink():
                (SYSTEM / name).unlink()

    def _write(self) -> None:
        for name in ("state", "log", "dev", *(f"spool-{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(GPUS * len(NODES)):  # a GPU is a device file: these are /dev/null's
            device = self.folder / "dev" / f"gpu{index}"
            if not device.exists():
                os.mknod(device, 0o666 | 0o020000, os.makedev(1, 3))
        sizes = f"CPUs={CPUS} RealMemory={MEMORY_MB} Gres=gpu:{GPUS}"
        nodes = "\n".join(
            f"NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={17001 + index} "
            f"Feature={feature} Weight={1 + index} {sizes} State=UNKNOWN"
            for index, (name, feature) in enumerate(NODES.items())
        )
        tracking = CGROUPS if has_cgroups() else PROCESS_GROUPS
        text = SLURM_CONF.format(folder=self.folder, nodes=nodes, tracking=tracking)
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "cgroup.conf").write_text(CGROUP_CONF)
        gres = [
            f"NodeName={name} Name=gpu File={self.folder}/dev/gpu[{GPUS * i}-{GPUS * i + GPUS - 1}]"
            for i, name in enumerate(NODES)
        ]
        (self.folder / "gres.conf").write_text("\n".join(gres) + "\n")
        SYSTEM.mkdir(exist_ok=True)
        for name in FILES:
            (SYSTEM / name).unlink(missing_ok=True)
            (SYSTEM / name).symlink_to(self.folder / name)

    def _run(self, *command: str) -> None:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if answer.returncode:
            raise CannotRun(f"{' '.join(command)}: {answer.stderr.strip() or answer.stdout}")

    def _wait_until_idle(self, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            answer = subprocess.run(
                ["sinfo", "-h", "-N", "-o", "%T"], capture_output=True, text=True
            )
            states = set(answer.stdout.split())
            if states == {"idle"}:
                return
            time.sleep(0.5)
        logs = "; ".join(str(path) for path in sorted((self.folder / "log").iterdir()))
        raise CannotRun(f"after {seconds:.0f} s the nodes are {states or 'unknown'}: see {logs}")


def install() -> None:
    """Install Debian's packages if they are missing."""
    if all(shutil.which(name) for name in ("slurmctld", "slurmd", "sbatch", "munged")):
        return
    if shutil.which("apt-get") is None:
        raise CannotRun("Slurm is not installed, and there is no apt-get to install it")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update"],
        ["apt-get", "install", "-y", "--no-install-recommends", *PACKAGES],
    ):
        answer = subprocess.run(command, capture_output=True, text=True, env=environment)
        if answer.returncode:
            raise CannotRun(f"{' '.join(command)}: {answer.stderr.strip()[-500:]}")


def start_munge() -> None:
    """Start the authentication daemon, unless it runs."""
    if subprocess.run("munge -n | unmunge", shell=True, capture_output=True).returncode == 0:
        return
    user = pwd.getpwnam("munge")
    socket = Path("/run/munge")
    socket.mkdir(mode=0o755, exist_ok=True)
    os.chown(socket, user.pw_uid, user.pw_gid)
    answer = subprocess.run(
        ["runuser", "-u", "munge", "--", "/usr/sbin/munged"], capture_output=True, text=True
    )
    if answer.returncode:
        raise CannotRun(f"munged: {answer.stderr.strip()}")


def has_cgroups() -> bool:
    """Whether control groups (version 1) can be made here."""
    probe = Path("/sys/fs/cgroup/freezer/tangent-probe")
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError:
        return False
    return True


def stop_process(pid: int, seconds: float = 10.0) -> None:
    """End a daemon and wait until it is gone."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not Path(f"/proc/{pid}").exists():
                return
            time.sleep(0.1)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("start", "stop"):
        sys.exit(f"usage: {sys.argv[0]} start|stop FOLDER")
    try:
        getattr(Cluster(Path(sys.argv[2]).resolve()), sys.argv[1])()
    except CannotRun as error:
        sys.exit(f"no Slurm here: {error}")
