"""Print what a study costs before it is run: GPU-hours, memory, disk, downloads."""

import json
from typing import Literal

from scripts import cli
from scripts.plan_arguments import PlanArguments


class Arguments(PlanArguments):
    study: str = cli.argument("the study's configuration, as JSON")
    device: Literal["auto", "cpu", "cuda"] = cli.argument(
        "cpu: hours of the CPU; otherwise of the configuration's GPU", "auto"
    )


def run(arguments: Arguments) -> None:
    from tangent.config.cost.cost_table import as_text
    from tangent.config.cost.study import Costs
    from tangent.config.cost.throughput import CPU, Machine
    from tangent.config.load import load_config

    config = load_config(json.loads(arguments.study))
    device = CPU if arguments.device == "cpu" else config.estimate.gpu
    costs = Costs(config, Machine(device, config.estimate.utilization))
    print(as_text(costs, costs.estimate(arguments.plan(True))), end="")
