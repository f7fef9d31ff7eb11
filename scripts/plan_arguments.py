"""Arguments of the scripts that ask Snakemake for a study's jobs: `verify` and `estimate`."""

import json
import subprocess
from typing import Any

from scripts import cli
from tangent.jobs.errors import UserError


class PlanArguments(cli.Common):
    python: str = cli.argument("a Python with Snakemake, which is asked for the jobs")
    rerun_triggers: list[str] = cli.argument("what makes Snakemake run a job again")
    configfiles: list[str] = cli.argument("configuration files beside config.yaml", [])
    config: str = cli.argument("what changes these, as JSON", "{}")

    def plan(self, is_forced: bool) -> list[dict[str, Any]]:
        """All jobs of the study, or those that Snakemake would run now: what `main` prints.

        Raises:
            UserError: Snakemake refuses to plan the study.
        """
        given = {
            "configfiles": self.configfiles,
            "config": json.loads(self.config),
            "triggers": self.rerun_triggers,
            "is_forced": is_forced,
        }
        command = [self.python, "-m", "scripts.planned_jobs", json.dumps(given)]
        answer = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if answer.returncode != 0:
            raise UserError("Snakemake cannot plan this study: see above.")
        return json.loads(answer.stdout)
