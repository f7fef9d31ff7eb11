"""The NVIDIA GPUs that this process may use, listed without CUDA and without importing torch."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass

_UUID = re.compile(r"^GPU \d+: .*\(UUID: (GPU-[\w-]+)\)", re.MULTILINE)
_SECONDS_TO_ANSWER = 60


@dataclass(frozen=True)
class Gpu:
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
    """What `compute.device: auto` means here: `cuda` if torch can use a GPU, otherwise `cpu`.

    Torch is asked in a process of its own, and only where a GPU is listed.
    """
    if not visible_gpus():
        return "cpu"
    question = "import sys, torch; sys.exit(0 if torch.cuda.is_available() else 1)"
    answer = subprocess.run([sys.executable, "-c", question], stderr=subprocess.DEVNULL)
    return "cuda" if answer.returncode == 0 else "cpu"


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
