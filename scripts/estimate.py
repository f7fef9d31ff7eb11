"""Print what a study costs before it is run: GPU-hours, memory, disk, downloads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from scripts import cli


@dataclass(frozen=True, kw_only=True)
class Arguments(cli.Common):
    """Print jobs, time, memory, disk and downloads of a study, by stage."""

    config: str = cli.argument("the study's configuration, as JSON")
    device: Literal["auto", "cpu", "cuda"] = cli.argument(
        "cpu: hours of the CPU; otherwise of the configuration's GPU", "auto"
    )


def run(arguments: Arguments) -> None:
    """Write the tables to standard output."""
    from tangent.config.cost.cost_table import as_text
    from tangent.config.cost.study import estimate
    from tangent.config.cost.throughput import CPU, Machine
    from tangent.config.load import load_config

    config = load_config(json.loads(arguments.config))
    device = CPU if arguments.device == "cpu" else config.estimate.gpu
    machine = Machine(device, config.estimate.utilization)
    print(as_text(config, estimate(config, machine)), end="")


if __name__ == "__main__":
    cli.main(Arguments, run)
