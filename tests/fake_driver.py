"""A stand-in for the NVIDIA driver's `nvidia-smi -L`, where there is no GPU."""

from __future__ import annotations

from pathlib import Path

UUIDS = [f"GPU-{digit * 8}-{digit * 4}-{digit * 12}" for digit in "0123"]


def install_nvidia_smi(folder: Path, count: int) -> str:
    """Write `folder/nvidia-smi`, which lists `count` GPUs as the driver does; give the folder."""
    lines = [f"GPU {index}: NVIDIA H200 (UUID: {UUIDS[index]})" for index in range(count)]
    lines[1:1] = ["  MIG 1g.18gb     Device  0: (UUID: MIG-55555555-5555-5555-5555-555555555555)"]
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "nvidia-smi"
    program.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines))
    program.chmod(0o755)
    return str(folder)
