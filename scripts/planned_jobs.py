"""Print a study's jobs as Snakemake would run them today, as JSON; `scripts.verify` asks for it.

It runs in Snakemake's own Python, which the environment of a job need not have.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any


def planned_jobs(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Message, command, log, inputs and outputs of every job of the target `all`, made or not."""
    from snakemake.api import SnakemakeApi
    from snakemake.settings.enums import Quietness
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        OutputSettings,
        ResourceSettings,
    )

    collector = _Collector()
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        logging.getLogger("snakemake.logging").addHandler(collector)
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(config=config),
            snakefile=Path("Snakefile"),
        )
        plan = workflow.dag(DAGSettings(targets={"all"}, forceall=True))
        plan.execute_workflow(executor="dryrun")
    return collector.jobs


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
                    "message": record.rule_msg,
                    "command": record.shellcmd,
                    "inputs": list(record.input),
                    "outputs": list(record.output),
                }
            )


if __name__ == "__main__":
    print(json.dumps(planned_jobs(json.loads(sys.argv[1]))))
