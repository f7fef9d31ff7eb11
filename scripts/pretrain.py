"""Pre-train a model from nothing and keep its weights after the wanted steps."""

import json
import logging
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
    from tangent.jobs.checkpoint import Checkpoint
    from tangent.training.pretraining.recipes import WEIGHTS_FILE, read_recipe, step_of
    from tangent.training.pretraining.steps import LogRow, pretrain

    module, recipe = read_recipe(arguments.recipe)
    wanted = {step_of(path.parent): path for path in arguments.metrics}
    runtime.setup(recipe.threads, "cpu", recipe.seed)
    files.check_writable(arguments.history.parent)
    block = arguments.provenance([])
    decisive = {
        "recipe": recipe.decisive(),
        "steps": sorted(wanted),
        "code": arguments.code,
        "versions": block["versions"],
    }
    place, seconds = arguments.history.with_name("state.pt"), arguments.seconds_between_states
    state = Checkpoint(place, decisive, seconds)
    objective = module.prepare(recipe)
    result = pretrain(objective, recipe, wanted, state)
    for step, path in wanted.items():
        objective.model.load_state_dict(result.snapshots[step])
        objective.write(path.parent)
        measured = objective.metrics()
        metrics = {
            "step": step,
            **measured,
            "recipe": recipe.decisive(),
            "sha256": files.sha256_file(path.with_name(WEIGHTS_FILE)),
            "seconds": result.rows[step - 1].seconds if step else 0.0,
            "provenance": block,
        }
        files.write_json(path, metrics)
        logger.info("after %d steps: %s", step, json.dumps(measured))
    files.write_csv(arguments.history, LogRow._fields, result.rows)
    state.remove()
