"""Test accuracy of θ0 + α Σ τ_t on every task, at the α that validation chose (table 1)."""

from pathlib import Path

from scripts import cli
from scripts.edited_arguments import AddedArguments
from tangent.evaluation import addition
from tangent.jobs.files import read_choice


class Arguments(AddedArguments):
    merging: str = cli.argument("the method, and the name of the merged task vector")
    alpha: Path = cli.argument("alpha.json of the validation")
    output: Path = cli.argument("result.json")


def run(arguments: Arguments) -> None:
    identity, merging = arguments.identity(), arguments.merging
    alpha = read_choice(arguments.alpha, "alpha", operation="addition", vector=merging, **identity)
    single_task, tasks = arguments.single_task_accuracies("test"), arguments.load_tasks()
    edited = arguments.edited_model()
    result = identity | {"merging": merging, "alpha": alpha}
    result |= addition.evaluate(edited, tasks, single_task, {merging: alpha})
    others = [arguments.alpha, *arguments.single_task.values()]
    arguments.write_of(arguments.output, result, arguments.tasks, ["test"], others)
