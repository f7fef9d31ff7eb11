"""A study's jobs as Snakemake would run them today, for `verify` and `estimate`.

Planning runs in Snakemake's own Python, which the environment of a job need not have.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

from scripts import cli
from tangent.jobs.errors import UserError


class PlanArguments(cli.Common):
    python: str = cli.argument("a Python with Snakemake, which is asked for the jobs")
    rerun_triggers: list[str] = cli.argument("what makes Snakemake run a job again")
    configfiles: list[str] = cli.argument("configuration files beside config.yaml", [])
    config: str = cli.argument("what changes these, as JSON", "{}")

    def plan(self, is_forced: bool) -> list[dict[str, Any]]:
        """Rule, message, command, inputs, … of the jobs of the target `all`.

        Args:
            is_forced: of all jobs; otherwise of those that Snakemake would run now.

        Raises:
            UserError: Snakemake refuses to plan the study.
        """
        given = [self.configfiles, json.loads(self.config), self.rerun_triggers, is_forced]
        code = "from scripts.planned_jobs import print_plan; print_plan()"
        command = [self.python, "-c", code, json.dumps(given)]
        answer = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if answer.returncode != 0:
            raise UserError("Snakemake cannot plan this study: see above.")
        return json.loads(answer.stdout)


def print_plan() -> None:
    """Print the jobs as JSON; what `plan` gives is the argument."""
    from snakemake.api import SnakemakeApi
    from snakemake.settings.enums import Quietness, RerunTrigger
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        OutputSettings,
        ResourceSettings,
    )

    configfiles, config, triggers, is_forced = json.loads(sys.argv[1])
    collector = _Collector()
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        logging.getLogger("snakemake.logging").addHandler(collector)
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(config, [Path(file) for file in configfiles]),
            snakefile=Path("Snakefile"),
        )
        plan = workflow.dag(
            DAGSettings(
                targets={"all"},
                forceall=is_forced,
                force_incomplete=True,
                rerun_triggers=RerunTrigger.parse_choices_set(triggers),
            )
        )
        plan.execute_workflow(executor="dryrun")
    print(json.dumps(collector.jobs))


class _Collector(logging.Handler):
    """Keeps what a dry run announces: the fields that Snakemake defines for logger plugins."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.jobs: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, "event", None)
        if event is not None and event.name == "JOB_INFO" and record.shellcmd:
            self.jobs.append(
                {
                    "rule": record.rule_name,
                    "wildcards": dict(record.wildcards),
                    "message": record.rule_msg or record.rule_name,
                    "command": record.shellcmd,
                    "inputs": list(record.input),
                    "outputs": list(record.output),
                }
            )
