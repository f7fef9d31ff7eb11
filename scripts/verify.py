"""Check that every result of a study is what its job wrote, from today's inputs and settings.

It names the first link that does not match, and writes nothing.
"""

from __future__ import annotations

import importlib
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts import cli
from scripts.plan_arguments import PlanArguments
from tangent.jobs.errors import UserError

if TYPE_CHECKING:
    from tangent.jobs.verification import PlannedJob


class Arguments(PlanArguments):
    results_dir: Path = cli.argument("folder of the study")
    threads: int = cli.argument("files that are hashed at the same time", 1)


def run(arguments: Arguments) -> None:
    """Print a summary, or raise with the first finding.

    Raises:
        UserError: a link does not match, or there is nothing to verify.
    """
    from tangent.jobs.verification import failure, summary, verify

    jobs, pending = planned(arguments)
    found = verify(jobs, arguments.results_dir, arguments.threads)
    if not found.results:
        raise UserError("this study has no results to verify yet: run snakemake first.")
    if found.findings:
        raise UserError(failure(found))
    print(summary(found, pending))


def planned(arguments: Arguments) -> tuple[list[PlannedJob], list[str]]:
    """All jobs of the study, and the messages of those that Snakemake would run now.

    Raises:
        UserError: Snakemake refuses to plan the study.
    """
    # The command of a script that leaves no record has no log; its files are inputs of others.
    jobs = [_planned(job) for job in arguments.plan(True) if "--log" in job["command"].split()]
    return jobs, [job["message"] for job in arguments.plan(False)]


def _planned(job: dict[str, Any]) -> PlannedJob:
    """A job's settings are what its script makes of the command that it would run today."""
    from tangent.jobs.job_record import record_path
    from tangent.jobs.provenance import plain_settings
    from tangent.jobs.verification import PlannedJob, plain_path

    words = shlex.split(job["command"])
    step, *flags = words[words.index("scripts") + 1 :]
    today = cli.parse(importlib.import_module(f"scripts.{step}").Arguments, flags)
    return PlannedJob(
        record=Path(plain_path(record_path(today.log))),
        step=step,
        settings=plain_settings(today.settings()),
        code=today.code,
        # Of an input that a checkpoint decides Snakemake plans a placeholder.
        inputs=[plain_path(path) for path in job["inputs"] if path != "<TBD>"],
        outputs=[plain_path(path) for path in job["outputs"]],
    )
