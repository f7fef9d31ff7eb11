"""Settings of torch, decided in one place: device, threads, determinism, precision."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from tangent.jobs.errors import UserError
from tangent.jobs.gpus import lease, refuse_unusable

if TYPE_CHECKING:
    import torch


def setup(threads: int, device: str, seed: int | None = None) -> torch.device:
    """Make this process compute the same bits every time, and return the device to compute on.

    Bits depend on the number of threads, so it is a setting and not whatever the machine has.
    Where there are several GPUs and no index is given, a free one is reserved for this process
    (`tangent.jobs.gpus`).

    Args:
        threads: torch's threads on the CPU.
        device: `cpu`, `cuda`, `cuda:<index>`, or `auto` (a GPU if there is one).
        seed: seed of torch's global generators; None leaves them as they are.

    Raises:
        UserError: fewer than one thread, no such device, a GPU is asked for and none is
            usable, or torch cannot use one that is there.
    """
    if threads < 1:
        raise UserError(f"compute.threads is {threads}: at least one thread is needed.")
    # cuBLAS reads this when it starts; without it torch refuses deterministic products on a GPU.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Once torch has asked CUDA anything it is too late. Torchrun's processes share those reserved
    # by tangent.jobs.gpus.
    if device in ("auto", "cuda") and "WORLD_SIZE" not in os.environ:
        lease()
    import torch

    chosen = _device(device)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    # Filling fresh memory guards against reading it uninitialised, at a cost in every allocation.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cudnn.benchmark = False
    # TF32 keeps 10 bits of the mantissa: too few for accuracies that are compared to 0.1 %.
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    if seed is not None:
        torch.manual_seed(seed)
    return chosen


def generator(seed: int, *names: str | int) -> torch.Generator:
    """Return a CPU generator of its own for `names` (a task, an epoch) under the study's seed.

    Streams with different names are independent, and each can be made anew at any time: a resumed
    run needs no saved generator state.
    """
    import torch

    text = "/".join(map(str, (seed, *names)))
    # torch takes seeds of 64 bits; 63 keep the number positive.
    digest = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
    return torch.Generator().manual_seed(digest)


def _device(name: str) -> torch.device:
    import torch

    if name == "auto":
        refuse_unusable()
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    kind, _, index = name.partition(":")
    if kind != "cuda" or (":" in name and not index.isdigit()):
        raise UserError(f"compute.device is {name!r}: choose auto, cpu, cuda or cuda:<index>.")
    refuse_unusable(index)
    if not torch.cuda.is_available():
        raise UserError(
            f"compute.device is {name!r}, but torch sees no GPU here: choose auto or cpu, or check "
            "the driver and that torch is a CUDA build."
        )
    if index and int(index) >= torch.cuda.device_count():
        raise UserError(
            f"compute.device is {name!r}, but there are {torch.cuda.device_count()} GPUs, counted "
            "from 0."
        )
    return torch.device(name)
