"""The NVIDIA GPUs that this process may use, listed without CUDA and without importing torch.

python -m tangent.jobs.gpus 4 torchrun --standalone --nproc-per-node 4 --no-python -- …

waits for so many GPUs; the command then sees these alone, and holds them until it ends.

One job per GPU: a job takes a lock per GPU before CUDA starts, and keeps it while it lives.
Snakemake counts GPUs but does not say which of them a job may use. The locks are those of the
operating system (`flock`), which drops them however a process ends. What a process starts by
`os.exec` keeps them. A GPU that is there but that torch cannot use is refused (`refuse_unusable`).
"""

import ctypes
import fcntl
import logging
import os
import re
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from tangent.jobs.errors import UserError, first_line
from tangent.jobs.files import private_folder
from tangent.jobs.progress import start_logging

logger = logging.getLogger("tangent")

_UUID = re.compile(r"^GPU \d+: .*\(UUID: (GPU-[\w-]+)\)", re.MULTILINE)
_SECONDS_TO_ANSWER = 60
_SECONDS_BETWEEN_TRIES = 1.0
_NO_CODE = ("no kernel image is available", "compiled with an unsupported toolchain")
_held = ExitStack()  # files of the locks, open until the process ends


class Gpu(NamedTuple):
    """A GPU, or a part of one (MIG).

    Attributes:
        name: how CUDA_VISIBLE_DEVICES names it.
        identity: the same in every process of the machine: its UUID where the driver tells.
    """

    name: str
    identity: str


def visible_gpus() -> list[Gpu]:
    """The GPUs that `nvidia-smi -L` lists and CUDA_VISIBLE_DEVICES leaves, in CUDA's order.

    As in CUDA, what follows an entry of CUDA_VISIBLE_DEVICES that names no GPU does not count.
    Where there is no nvidia-smi, its entries are taken at their word; without both, there is none.
    """
    listed = _listed_by_driver()
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return [Gpu(uuid, uuid) for uuid in listed]
    gpus: list[Gpu] = []
    for entry in map(str.strip, chosen.split(",")):
        identity = _identity(entry, listed)
        if identity is None:
            break
        gpus.append(Gpu(entry, identity))
    return gpus


def auto_device() -> str:
    """What `compute.device: auto` means here: `cuda` if there is a GPU, otherwise `cpu`.

    Torch is asked in a process of its own, and only where a GPU is listed.

    Raises:
        UserError: torch cannot use a GPU that is listed.
    """
    if not visible_gpus():
        return "cpu"
    question = (
        "import sys, torch; from tangent.jobs.gpus import unusable; "
        "sys.exit(unusable() or print(torch.cuda.is_available()))"
    )
    answer = subprocess.run([sys.executable, "-c", question], capture_output=True, text=True)
    if answer.returncode:
        raise UserError((answer.stderr.splitlines() or ["torch cannot be imported"])[-1])
    return "cuda" if answer.stdout.strip() == "True" else "cpu"


def refuse_unusable(index: str = "") -> None:
    """Raise a UserError where a job would take the CPU, or fail, for what `unusable` says."""
    if problem := unusable(index):
        raise UserError(problem)


def unusable(index: str = "") -> str | None:
    """Why torch cannot use a GPU that is there, and what to do; None if it can, or without a GPU.

    Args:
        index: the GPU asked about, as torch counts; empty for all that are visible.
    """
    import torch

    with warnings.catch_warnings(record=True) as warned:  # where torch tells the reason
        warnings.simplefilter("always")
        if not torch.cuda.is_available():
            if not (_listed_by_driver() and visible_gpus()):
                return None
            reasons = [re.split(r"\.? (?:Please|\(Trig)", first_line(w.message))[0] for w in warned]
            about = "".join(f" ({reason})" for reason in reasons[:1])
            return f"nvidia-smi lists a GPU that torch cannot use{about}. {_floor()}"
        code = _capabilities_with_code()
        for device in range(torch.cuda.device_count()):
            if not code or index not in ("", str(device)):
                continue
            major, minor = torch.cuda.get_device_capability(device)
            # Code runs on all GPUs of its major version whose minor one is not older.
            if not any((major, older) in code for older in range(minor + 1)):
                gpu = f"{torch.cuda.get_device_name(device)}, compute capability {major}.{minor}"
                return f"torch cannot use the GPU ({gpu}). {_floor()}"
    return None


def without_code(error: BaseException) -> str | None:
    """The message for the user if an error says that torch or a library has no code for the GPU."""
    if isinstance(error, RuntimeError) and any(text in str(error) for text in _NO_CODE):
        return f"torch cannot use the GPU ({first_line(error)}). {_floor()}"
    return None


def _floor() -> str:
    """What this torch needs, what the driver has, and what to do."""
    import torch

    needs = "is built without CUDA"
    if code := _capabilities_with_code():
        oldest = ".".join(map(str, min(code)))
        needs = f"needs CUDA {torch.version.cuda} and compute capability {oldest} or newer"
    return (
        f"This torch ({torch.__version__}) {needs}; the CUDA version of the driver is "
        f"{_cuda_of_driver()}. Update the driver, install another build of torch "
        "(docs/containers.md says how), or take the CPU: set compute.device to cpu, or "
        "CUDA_VISIBLE_DEVICES to nothing."
    )


def _cuda_of_driver() -> str:
    """The newest CUDA that the driver can run."""
    version = ctypes.c_int()
    try:
        ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(version))
    except (OSError, AttributeError):
        return "unknown"
    return f"{version.value // 1000}.{version.value % 1000 // 10}"


def _capabilities_with_code() -> list[tuple[int, int]]:
    """Compute capabilities that torch was compiled for; none if it was built without CUDA."""
    import torch

    names = torch._C._cuda_getArchFlags() if torch.version.cuda else ""
    return [divmod(int(number), 10) for number in re.findall(r"sm_(\d+)", names)]


def _listed_by_driver() -> list[str]:
    """UUIDs by index; an empty list if there is no driver, or none that answers."""
    try:
        answer = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=_SECONDS_TO_ANSWER
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return _UUID.findall(answer.stdout) if answer.returncode == 0 else []


def _identity(entry: str, listed: list[str]) -> str | None:
    """What an entry of CUDA_VISIBLE_DEVICES names: an index, a UUID's beginning, a MIG's UUID."""
    if entry.startswith("MIG-"):
        return entry
    if not listed:
        return entry if entry.isdigit() or entry.startswith("GPU-") else None
    if entry.isdigit():
        return listed[int(entry)] if int(entry) < len(listed) else None
    matches = [uuid for uuid in listed if entry and uuid.startswith(entry)]
    return matches[0] if len(matches) == 1 else None


def lease(count: int = 1) -> list[str]:
    """Reserve `count` free GPUs for this process and its children; waits until they are free.

    From then on CUDA_VISIBLE_DEVICES names these alone, so this comes before CUDA starts. Nothing
    is reserved where no GPU is listed, or where CUDA_VISIBLE_DEVICES names just the GPUs that are
    needed: who started the job (a cluster's scheduler, a launcher, a person) chose them.

    Returns:
        The names of the GPUs for CUDA_VISIBLE_DEVICES; empty if nothing was reserved.

    Raises:
        UserError: there are fewer GPUs, or the folder of the locks cannot be used.
    """
    gpus = visible_gpus()
    if not gpus or ("CUDA_VISIBLE_DEVICES" in os.environ and len(gpus) == count):
        return []
    if len(gpus) < count:
        raise UserError(
            f"the job needs {count} GPUs, but there are {len(gpus)} here: lower "
            "finetuning.models.<model>.processes, or name more GPUs in CUDA_VISIBLE_DEVICES."
        )
    folder = Path(tempfile.gettempdir()) / f"tangent-gpus-{os.getuid()}"
    is_waiting = False
    while not (taken := _try(gpus, count, folder)):
        if not is_waiting:
            logger.info("other jobs hold the GPUs: waiting for %d of %d", count, len(gpus))
            is_waiting = True
        time.sleep(_SECONDS_BETWEEN_TRIES)
    names = [gpu.name for gpu in taken]
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(names)
    return names


def _try(gpus: list[Gpu], count: int, folder: Path) -> list[Gpu]:
    """Lock `count` GPUs, or none of them: two jobs never wait for each other's."""
    taken = []
    with ExitStack() as files:
        for gpu in gpus:
            descriptor = _locked(folder, gpu.identity)
            if descriptor is not None:
                files.callback(os.close, descriptor)
                taken.append(gpu)
            if len(taken) == count:
                _held.push(files.pop_all())
                return taken
    return []


def _locked(folder: Path, name: str) -> int | None:
    """The descriptor of a file, locked; None if another process holds the lock."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        with private_folder(folder) as place:
            descriptor = os.open(name, os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=place)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Systems clear old files out of /tmp, and a lock on a deleted file keeps nobody out.
        os.utime(descriptor)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError as error:
        raise UserError(
            f"cannot lock {folder / name} to reserve a GPU: {error.strerror or error}. Choose "
            "another folder of this machine with TMPDIR."
        ) from error
    os.set_inheritable(descriptor, True)
    return descriptor


def main(arguments: list[str]) -> None:
    """Reserve the GPUs and become the command, so that signals reach it."""
    if len(arguments) < 2 or not arguments[0].isdigit() or int(arguments[0]) < 1:
        sys.exit("usage: python -m tangent.jobs.gpus COUNT COMMAND [ARGUMENT ...]")
    start_logging(None)
    try:
        lease(int(arguments[0]))
    except UserError as error:
        sys.exit(f"error: {error}")
    os.execvp(arguments[1], arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
