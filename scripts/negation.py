"""Test accuracy of θ0 − α τ_t on the task to forget and on the control task (table 2)."""

from pathlib import Path

from scripts import cli
from scripts.edited_arguments import EditedArguments
from tangent.evaluation import negation
from tangent.jobs.files import read_choice, read_json


class Arguments(EditedArguments):
    task: str = cli.argument("the task to forget")
    control: str = cli.argument("the task to keep")
    alpha: Path = cli.argument("alpha.json of the validation")
    output: Path = cli.argument("result.json")


def run(arguments: Arguments) -> None:
    identity = arguments.identity()
    names = [arguments.task, arguments.control]
    alpha = read_choice(
        arguments.alpha, "alpha", operation="negation", vector=arguments.task, **identity
    )
    target, control = map(arguments.load_task, names)
    edited = arguments.edited_model()
    result = identity | {"task": arguments.task, "control_task": arguments.control}
    result["control_threshold"] = read_json(arguments.alpha)["control_threshold"]
    result |= negation.evaluate(edited, target, control, alpha)
    arguments.write_of(arguments.output, result, names, ["test"], [arguments.alpha])
