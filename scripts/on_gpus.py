"""Run a command on GPUs of its own, several of them for torchrun.

python -m scripts.on_gpus 4 torchrun --standalone --nproc-per-node 4 -m scripts finetune …

Waits until so many GPUs are free; the command then sees these alone, and holds them until it ends.
"""

from __future__ import annotations

import logging
import os
import sys

from tangent.jobs.errors import UserError
from tangent.jobs.gpus import lease
from tangent.jobs.progress import start_logging


def main(arguments: list[str]) -> None:
    """Reserve the GPUs and become the command, so that signals reach it."""
    if len(arguments) < 2 or not arguments[0].isdigit() or int(arguments[0]) < 1:
        sys.exit("usage: python -m scripts.on_gpus COUNT COMMAND [ARGUMENT ...]")
    start_logging(None)
    try:
        lease(int(arguments[0]))
    except UserError as error:
        logging.getLogger("tangent").error("error: %s", error)
        sys.exit(1)
    os.execvp(arguments[1], arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
