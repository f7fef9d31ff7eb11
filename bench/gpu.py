"""Everything that needs a GPU, in one call: `make bench-gpu`.

python -m bench.gpu --output results/bench-gpu                                all of it
python -m bench.gpu --output "$OUT" --only study --images 2000 --steps 200    one part, minutes

Parts: `bench` (the tables of docs/performance.md), `throughput` (entries for
tangent/config/cost/measured.yaml), `smoke` (configs/smoke-gpu.yaml), `study` (`bench.study`). A part
that fails does not keep the others from running.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from scripts import cli

# Of bench.__main__: those that a GPU matters to.
SECTIONS = ("linear_step", "compilation", "evaluation", "sweeps", "kernels", "input", "growth")
PARTS = ("bench", "throughput", "smoke", "study")
MODELS = ("ViT-B-32", "ViT-B-16", "ViT-L-14")
# Trainings in both types, evaluations in float32.
TYPES = {"none": [], "bfloat16": ["--kinds", "standard step", "linear step"]}

logger = logging.getLogger("tangent")


@dataclass(frozen=True, kw_only=True)
class Arguments(cli.Common):
    """Measure on the GPU of this machine; what is written goes to a folder."""

    output: Path = cli.argument("folder for the tables, with performance.md in it or not")
    only: list[str] = cli.argument("parts to run", list(PARTS))
    models: list[str] = cli.argument("models whose passes are measured", list(MODELS))
    device: str = cli.argument("cuda; cpu tries the parts", "cuda")
    threads: int = cli.argument("CPU threads", 4)
    cores: int = cli.argument("CPU cores for Snakemake", 16)
    images: int | None = cli.argument("of the study, per split; the true sizes if not given", None)
    steps: int | None = cli.argument("of the study, per training; the paper's if not given", None)
    folder: Path = cli.argument("for models and data sets", Path("resources/bench"))


def run(arguments: Arguments) -> None:
    """Run the parts one after the other; ends with status 1 if one failed."""
    arguments.output.mkdir(parents=True, exist_ok=True)
    failed = []
    for part in arguments.only:
        started = time.monotonic()
        done = all([_runs(command, arguments.output) for command in commands(part, arguments)])
        logger.info("%s: %.0f s", part, time.monotonic() - started)
        if not done:
            failed.append(part)
    if failed:
        logger.error("failed: %s (their output is in %s)", ", ".join(failed), arguments.output)
        sys.exit(1)


def commands(part: str, arguments: Arguments) -> list[tuple[str, list[str]]]:
    """What a part runs: a name for its output, and the command.

    Raises:
        UserError: there is no such part.
    """
    from tangent.jobs.errors import UserError

    python, device = [sys.executable, "-m"], arguments.device
    if part == "bench":
        page = arguments.output / "performance.md"
        if not page.exists():
            shutil.copy2(Path("docs/performance.md"), page)
        command = [*python, "bench", "--device", device, "--threads", str(arguments.threads)]
        command += ["--output", str(arguments.output), "--folder", str(arguments.folder)]
        # One by one: what is measured is kept where a later one fails.
        return [(f"bench-{name}", [*command, "--only", name]) for name in SECTIONS]
    if part == "throughput":
        return [
            (f"throughput-{model}-{autocast}", [*python, *_throughput(model, autocast, arguments)])
            for model in arguments.models
            for autocast in TYPES
        ]
    if part == "smoke":
        command = [*python, "snakemake", "--cores", str(arguments.cores)]
        return [("smoke", [*command, "--configfile", "configs/smoke-gpu.yaml"])]
    if part == "study":
        command = [*python, "bench.study", "--device", device, "--cores", str(arguments.cores)]
        for name in ("images", "steps"):
            value = getattr(arguments, name)
            command += [f"--{name}", str(value)] if value is not None else []
        command += ["--folder", str(arguments.folder)]
        return [("study", [*command, "--output", str(arguments.output / "study.md")])]
    raise UserError(f"--only {part}: the parts are {', '.join(PARTS)}.")


def _throughput(model: str, autocast: str, arguments: Arguments) -> list[str]:
    from bench.subjects import PAPER_MODEL, Setting, Subject

    setting = Setting(arguments.device, arguments.threads, arguments.folder)
    entry = PAPER_MODEL | {"name": f"{model}-quickgelu"}
    folder = Subject.of_source(setting, model, entry).folder
    command = ["scripts.measure_throughput", "--pretrained-dir", str(folder), "--model", model]
    command += ["--device", arguments.device, "--threads", str(arguments.threads)]
    return [*command, "--seconds", "5", "--autocast", autocast, *TYPES[autocast]]


def _runs(named: tuple[str, list[str]], output: Path) -> bool:
    """Run a command, its output into a file; whether it succeeded."""
    name, command = named
    logger.info("%s: %s", name, " ".join(command[1:]))
    with (
        open(output / f"{name}.out", "w", encoding="utf-8") as out,
        open(output / f"{name}.log", "w", encoding="utf-8") as log,
    ):
        return subprocess.run(command, stdout=out, stderr=log).returncode == 0


if __name__ == "__main__":
    cli.main(Arguments, run)
