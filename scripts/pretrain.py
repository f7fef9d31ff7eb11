"""Pre-train a model from nothing and keep its weights after the wanted steps."""

import json
import logging
import sys
from dataclasses import asdict, astuple, fields
from pathlib import Path

from scripts import cli

logger = logging.getLogger("tangent")


class Arguments(cli.Common):
    recipe: str = cli.argument("the recipe's entry in the configuration, as JSON")
    metrics: list[Path] = cli.argument(
        "files to write, one for each wanted step, in a folder step<N> that also gets the model"
    )
    history: Path = cli.argument("log of the steps to write (CSV)")
    seconds_between_states: float = cli.argument("how often to save the state", 30.0, False)


def run(arguments: Arguments) -> None:
    from tangent.jobs import files, runtime
    from tangent.training.checkpoint import Checkpoint, Interrupted, state_fingerprint
    from tangent.training.pretraining.objectives import WEIGHTS_FILE, read_recipe, step_of
    from tangent.training.pretraining.steps import LogRow, pretrain

    module, recipe = read_recipe(arguments.recipe)
    wanted = {step_of(path.parent): path for path in arguments.metrics}
    runtime.setup(recipe.threads, "cpu", recipe.seed)
    files.check_writable(arguments.history.parent)
    block = arguments.provenance([])
    decisive = {
        "recipe": asdict(recipe),
        "steps": sorted(wanted),
        "code": arguments.code,
        "versions": block["versions"],
    }
    state = Checkpoint(
        arguments.history.with_name("state.pt"),
        state_fingerprint(decisive),
        arguments.seconds_between_states,
    )
    objective = module.prepare(recipe)
    try:
        result = pretrain(objective, recipe, wanted, state)
    except Interrupted as interruption:
        logger.warning("stopped by %s", interruption)
        sys.exit(interruption.exit_status)
    for step, path in wanted.items():
        objective.model.load_state_dict(result.snapshots[step])
        objective.write(path.parent)
        measured = objective.metrics()
        metrics = {
            "step": step,
            **measured,
            "recipe": asdict(recipe),
            "sha256": files.sha256_file(path.with_name(WEIGHTS_FILE)),
            "seconds": result.rows[step - 1].seconds if step else 0.0,
            "provenance": block,
        }
        files.write_json(path, metrics)
        logger.info("after %d steps: %s", step, json.dumps(measured))
    columns = [field.name for field in fields(LogRow)]
    files.write_csv(arguments.history, columns, [astuple(row) for row in result.rows])
    state.remove()
