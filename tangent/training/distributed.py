"""Several processes that train one model on one node, each on a part of every batch.

Started by torchrun, they draw the same order and crops, and sum their gradients before the clip: so
N processes take the steps of one. All of them hold the whole training state; the first one alone
writes files.
"""

import logging
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import torch
import torch.distributed as dist
from torch import Tensor

from tangent.jobs.errors import Interrupted, UserError, first_line

logger = logging.getLogger("tangent")

# Gradients travel together: few large messages are faster than one per tensor.
BUCKET_ELEMENTS = 16 * 1024**2


class PeerFailed(Exception):
    """Another process of this training failed, and says why."""


class PeerGone(UserError):
    """Another process of this training ended without a word."""


class Processes:
    """The processes of a training, seen from one of them; a single process by default.

    Attributes:
        rank: this process, counted from 0.
        count: all of them.
        device: where this one computes.
    """

    def __init__(self, device: torch.device, rank: int = 0, count: int = 1) -> None:
        self.device, self.rank, self.count = device, rank, count

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and messages."""
        return self.rank == 0

    @property
    def hardware(self) -> list[str]:
        """What all of them compute on, the same in each: the bits of a training depend on it."""
        if self.device.type == "cpu":
            return [platform.machine()]
        devices = [self.device] if self.count == 1 else range(self.count)
        return [torch.cuda.get_device_name(device) for device in devices]

    def agree(self, stop_signal: int | None = None, failed: bool = False) -> int | None:
        """Meet the other processes; returns a signal that any of them was sent.

        Every meeting is this one, so that a process that fails meets the others wherever they are.

        Args:
            stop_signal: the signal that asks this process to stop.
            failed: this process cannot go on.

        Raises:
            PeerFailed: another process has failed.
            PeerGone: another process has ended.
        """
        if self.count == 1:
            return stop_signal
        # The largest value wins: of several that failed, the lowest rank speaks.
        wishes = torch.tensor([self.count - self.rank if failed else 0, stop_signal or 0])
        with _peers():
            dist.all_reduce(wishes, dist.ReduceOp.MAX)
        failure, agreed = wishes.tolist()
        if failure and self.count - failure != self.rank:
            raise PeerFailed(f"process {self.count - failure} failed")
        return agreed or None

    @torch.no_grad()
    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor, of one type, by its sum over all processes.

        Raises:
            PeerGone: another process has ended.
        """
        if self.count == 1:
            return
        for bucket in _buckets(tensors):
            flat = torch.cat([tensor.flatten() for tensor in bucket])
            with _peers():
                dist.all_reduce(flat)
            parts = flat.split([tensor.numel() for tensor in bucket])
            for tensor, part in zip(bucket, parts, strict=True):
                tensor.copy_(part.view_as(tensor))


@contextmanager
def process_group(count: int, device: torch.device) -> Iterator[Processes]:
    """Join the processes that torchrun has started; leave them on every way out.

    On GPUs each process takes the one of its local rank and gradients go by NCCL; on CPUs by gloo.

    Args:
        count: how many processes there must be; 1 needs no torchrun.
        device: `runtime.setup`'s.

    Raises:
        UserError: torchrun has started another number, or there are fewer GPUs.
        PeerFailed: this process failed inside, but another one did too and says why.
    """
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started != count:
        command = "python -m scripts finetune"
        if count > 1:
            command = f"torchrun --standalone --nproc-per-node {count} --no-python -- {command}"
        raise UserError(
            f"--processes is {count} (finetuning.models.<model>.processes), but {started} started: "
            f"run `{command} …`, as `snakemake -p` prints it."
        )
    if count == 1:
        yield Processes(device)
        return
    rank = int(os.environ["RANK"])
    if device.type == "cuda":
        device = _own_gpu(count)
    if rank > 0:
        for handler in logger.handlers:
            handler.addFilter(lambda record: record.levelno >= logging.ERROR)
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    processes = Processes(device, rank, count)
    try:
        yield processes
    except (Interrupted, PeerFailed, PeerGone):  # the others know
        raise
    except BaseException:
        with suppress(PeerGone):
            processes.agree(failed=True)
        raise
    finally:
        dist.destroy_process_group()


def _own_gpu(count: int) -> torch.device:
    visible = torch.cuda.device_count()
    if visible < count:
        raise UserError(
            f"finetuning.models.<model>.processes is {count}, and each process needs a GPU of its "
            f"own, but torch sees {visible}: lower it, or make more GPUs visible."
        )
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    torch.cuda.set_device(device)
    return device


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    bucket: list[Tensor] = []
    elements = 0
    for tensor in tensors:
        if bucket and elements + tensor.numel() > BUCKET_ELEMENTS:
            yield bucket
            bucket, elements = [], 0
        bucket.append(tensor)
        elements += tensor.numel()
    if bucket:
        yield bucket


@contextmanager
def _peers() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # what a broken connection raises
        raise PeerGone(
            "another process of this training ended without a message: was it killed, for lack of "
            f"memory perhaps? ({first_line(error)})"
        ) from error
