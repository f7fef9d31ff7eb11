"""The measurements of docs/benchmarks.md: `make bench`, or some of its parts.

python -m bench --only linear_step evaluation --device cpu
"""

import importlib
import os
import time
from pathlib import Path

from scripts import cli
from tangent.jobs.errors import UserError
from tangent.jobs.files import write_text

SECTIONS = ("linear_step", "evaluation", "kernels", "growth", "planning")
"""Modules of bench/ in the page's order; each has `run(setting)`, which gives Markdown."""


class Arguments(cli.Common):
    """Measure what docs/benchmarks.md shows, and write it there."""

    device: str = cli.argument("cpu or cuda", "cpu")
    threads: int = cli.argument("CPU threads", 1)
    only: list[str] = cli.argument("parts to run; the others' tables stay", [])
    page: Path = cli.argument("where the tables go", Path("docs/benchmarks.md"))
    folder: Path = cli.argument("for models", Path("resources/bench"))
    quick: str = cli.argument("yes: few images, shows that everything runs; is printed", "no")


def run(arguments: Arguments) -> None:
    """Measure, print, and write each part into the page when it is done.

    Raises:
        UserError: a part is unknown, or the page lacks its marks.
    """
    # Read when torch starts. A thread that waits must not count as one that computes.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from bench.harness import Setting, replaced
    from tangent.jobs import runtime

    unknown = sorted(set(arguments.only) - set(SECTIONS))
    if unknown:
        raise UserError(f"--only {' '.join(unknown)}: the parts are {', '.join(SECTIONS)}.")
    runtime.setup(arguments.threads, arguments.device, seed=0)
    is_quick = arguments.quick == "yes"
    arguments.folder.mkdir(parents=True, exist_ok=True)
    folder = arguments.folder.resolve()
    setting = Setting(arguments.device, arguments.threads, folder, is_quick)
    for name in arguments.only or SECTIONS:
        part, head, started = f"{arguments.device} {name}", setting.description(), time.monotonic()
        if not is_quick:
            replaced(arguments.page, part, "")  # before minutes are spent
        made = importlib.import_module(f"bench.{name}").run(setting)
        text = f"{head} Took {time.monotonic() - started:.0f} s.\n\n{made}"
        print(text, flush=True)
        if not is_quick:
            write_text(arguments.page, replaced(arguments.page, part, text))


if __name__ == "__main__":
    cli.main(Arguments, run)
