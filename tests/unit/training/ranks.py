"""Processes that fine-tune together as torchrun's do, started in milliseconds.

They are forked from a server that has imported torch and open_clip once.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import resource
import signal
import socket
import sys
from collections.abc import Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tangent.training.distributed import Processes

CONTEXT = multiprocessing.get_context("forkserver")
TRAINING = [f"tangent.training.{name}" for name in ("distributed", "examples", "loop")]
CONTEXT.set_forkserver_preload(
    ["open_clip", "torch.distributed", "torch.utils.tensorboard", *TRAINING, "ranks"]
)


def start(
    count: int,
    flags: Mapping[str, object],
    spare_memory: Mapping[int, int] | None = None,
    signals: Mapping[int, int] | None = None,
    environment: Mapping[str, str] | None = None,
) -> list[ForkServerProcess]:
    """Start the ranks of scripts.finetune.

    Args:
        count: processes.
        flags: of the script.
        spare_memory: bytes that a rank may take beyond what it has when its training begins.
        signals: the step in which a rank gets a SIGTERM.
        environment: variables beside those of torchrun.
    """
    with socket.create_server(("localhost", 0)) as probe:
        port = probe.getsockname()[1]
    started = []
    for rank in range(count):
        variables = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
        variables |= {"WORLD_SIZE": str(count), "RANK": str(rank), "LOCAL_RANK": str(rank)}
        variables |= dict(environment or {})
        memory, step = (spare_memory or {}).get(rank), (signals or {}).get(rank)
        arguments = (dict(flags), variables, memory, step)
        started.append(CONTEXT.Process(target=_run, args=arguments))
        started[-1].start()
    return started


def statuses(ranks: list[ForkServerProcess]) -> list[int | None]:
    """Wait for the ranks to end; None is one that did not."""
    for rank in ranks:
        rank.join(300)  # those that compile take long on a busy machine
    codes = [rank.exitcode for rank in ranks]
    for rank in ranks:
        rank.kill()
    return codes


def _run(
    flags: dict[str, object],
    environment: dict[str, str],
    memory: int | None,
    step: int | None,
) -> None:
    os.environ.update(environment)
    from scripts import cli, finetune

    sys.argv = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
    sys.argv.insert(0, "finetune")
    if memory is not None:
        finetune._train = _in_little_memory(finetune._train, memory)
    if step is not None:
        Processes.agree = _with_a_signal(Processes.agree, step)
    cli.main(finetune.Arguments, finetune.run)


def _in_little_memory(train, spare):
    def train_in_little_memory(*arguments):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + spare
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        return train(*arguments)

    return train_in_little_memory


def _with_a_signal(agree, step):
    meetings = itertools.count()

    def agree_with_a_signal(*arguments, **keywords):
        if next(meetings) == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return agree(*arguments, **keywords)

    return agree_with_a_signal
