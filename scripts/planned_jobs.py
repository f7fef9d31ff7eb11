"""A study's jobs as Snakemake would run them today, for `verify` and `estimate`.

Planning runs in Snakemake's own Python, which the environment of a job need not have.
"""

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def main(
    configfiles: Sequence[str], config: Mapping[str, Any], triggers: Sequence[str], is_forced: bool
) -> None:
    """Print rule, message, command, inputs, … of the jobs of the target `all`.

    Args:
        configfiles, config: what the command line adds to `config.yaml`.
        triggers: what makes a job run again, as `--rerun-triggers` has it.
        is_forced: of all jobs; otherwise of those that Snakemake would run now.
    """
    from snakemake.api import SnakemakeApi
    from snakemake.settings import types
    from snakemake.settings.enums import Quietness, RerunTrigger

    collector = _Collector()
    with SnakemakeApi(types.OutputSettings(quiet={Quietness.ALL})) as api:
        logging.getLogger("snakemake.logging").addHandler(collector)
        workflow = api.workflow(
            resource_settings=types.ResourceSettings(cores=1),
            config_settings=types.ConfigSettings(config, [Path(file) for file in configfiles]),
            snakefile=Path("Snakefile"),
        )
        plan = workflow.dag(
            types.DAGSettings(
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


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
