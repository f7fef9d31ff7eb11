"""What compiling a training step costs, with an empty cache of the compiler and with a full one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.linear_step import can_compile, linear_step, standard_step
from bench.subjects import ROOT, Setting, Subject
from bench.tables import Table
from scripts import cli

STEPS = {"standard": standard_step, "linear": linear_step}


def run(setting: Setting) -> list[Table]:
    """One table: seconds to the first step of a new process."""
    columns = ("step", "cache", "seconds", "CPU seconds")
    rows = []
    kinds, states = (list(STEPS), ["empty", "full"]) if can_compile() else ([], [])
    for kind in kinds[:1] if setting.quick else kinds:
        with tempfile.TemporaryDirectory(dir=setting.folder) as cache:
            for state in states[:1] if setting.quick else states:
                rows.append((f"{kind}, compiled", state, *first_step_apart(setting, kind, cache)))
    notes = [
        "From the weights to the end of the first step, in a process of its own; the wall's "
        "clock, and what the process and its compilers computed. One run each."
    ]
    return [Table("compilation", "Compiling a training step", columns, rows, notes)]


def first_step_apart(setting: Setting, kind: str, cache: str) -> tuple[float, float]:
    """Seconds and CPU seconds of `first_step` in a process of its own, with its own cache."""
    command = [sys.executable, "-m", "bench.compilation", "--kind", kind]
    command += ["--folder", str(setting.subject.folder), "--device", setting.device]
    command += ["--threads", str(setting.threads)]
    command += ["--quick", "yes" if setting.quick else "no"]
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": cache}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    wall, cpu = map(float, done.stdout.split()[-2:])
    return wall, cpu


@dataclass(frozen=True, kw_only=True)
class Arguments(cli.Common):
    """Take one compiled step and print its seconds: wall and CPU."""

    kind: str = cli.argument("standard or linear")
    folder: Path = cli.argument("the model's")
    device: str = cli.argument("cpu or cuda")
    threads: int = cli.argument("CPU threads")
    quick: str = cli.argument("yes: few images", "no")


def first_step(arguments: Arguments) -> tuple[float, float]:
    """Seconds of the wall and of the CPU, the compilers' included."""
    from tangent.jobs import runtime

    runtime.setup(arguments.threads, arguments.device, seed=0)
    setting = Setting(arguments.device, arguments.threads, Path(), arguments.quick == "yes")
    subject = Subject(arguments.folder.name, arguments.folder, setting)
    before, started = os.times(), time.monotonic()
    STEPS[arguments.kind](subject, "bfloat16", compiled=True)()
    if arguments.device == "cuda":
        import torch

        torch.cuda.synchronize()
    after = os.times()
    return time.monotonic() - started, sum(after[:4]) - sum(before[:4])


if __name__ == "__main__":
    cli.main(Arguments, lambda arguments: print(*first_step(arguments)))
