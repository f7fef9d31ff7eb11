"""Measure what docs/performance.md shows: `make bench`, or one part of it.

python -m bench --only linear_step evaluation --device cpu --threads 2
"""

from __future__ import annotations

import importlib
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

from bench.tables import Table, write
from scripts import cli

SECTIONS = (
    "paper_counts", "linear_step", "compilation", "evaluation", "sweeps", "kernels", "input",
    "growth", "planning",
)  # fmt: skip
"""Modules of bench/ in the page's order; each has `run(setting) -> list[Table]`."""

logger = logging.getLogger("tangent")


@dataclass(frozen=True, kw_only=True)
class Arguments(cli.Common):
    """Measure what docs/performance.md shows, and write it there."""

    device: str = cli.argument("cpu or cuda", "cpu")
    threads: int = cli.argument("CPU threads", 2)
    only: list[str] = cli.argument("parts to run; their tables are printed, not written", [])
    output: Path = cli.argument("folder with performance.md; CSVs go to performance/", Path("docs"))
    folder: Path = cli.argument("for models and data sets", Path("resources/bench"))
    quick: str = cli.argument("yes: a tiny model, shows that everything runs; is printed", "no")


def run(arguments: Arguments) -> None:
    """Measure, print, and write the page if all parts were run.

    Raises:
        UserError: a part is unknown, or the page lacks its marks.
    """
    # Read when torch starts. A thread that waits must not count as one that computes.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from bench.machine import description
    from bench.subjects import Setting
    from bench.tables import markdown
    from tangent import runtime
    from tangent.errors import UserError

    unknown = sorted(set(arguments.only) - set(SECTIONS))
    if unknown:
        raise UserError(f"--only {' '.join(unknown)}: the parts are {', '.join(SECTIONS)}.")
    runtime.setup(arguments.threads, arguments.device, seed=0)
    is_quick = arguments.quick == "yes"
    arguments.folder.mkdir(parents=True, exist_ok=True)
    setting = Setting(arguments.device, arguments.threads, arguments.folder.resolve(), is_quick)
    head = description(setting)
    tables: list[Table] = []
    started = time.monotonic()
    for name in arguments.only or SECTIONS:
        begun = time.monotonic()
        made = importlib.import_module(f"bench.{name}").run(setting)
        logger.info("%s: %.0f s", name, time.monotonic() - begun)
        print(*map(markdown, made), sep="\n", flush=True)
        tables += made
    if arguments.only or is_quick:
        return
    head += f"The whole bench took {time.monotonic() - started:.0f} s.\n"
    page = arguments.output / "performance.md"
    write(tables, head, arguments.device, page, arguments.output / "performance")


if __name__ == "__main__":
    cli.main(Arguments, run)
