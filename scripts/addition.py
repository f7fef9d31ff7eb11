"""Test accuracy of θ0 + α Σ τ_t on every task, at the α that validation chose (table 1)."""

from pathlib import Path

from scripts import cli
from scripts.edited_arguments import EditedArguments
from tangent.evaluation import addition
from tangent.evaluation.records import chosen_alpha, single_task_accuracies


class Arguments(EditedArguments):
    merging: str = cli.argument("the method, and the name of the merged task vector")
    tasks: list[str] = cli.argument("the tasks that are added")
    single_task: dict[str, Path] = cli.argument("accuracy.json of each task, in the same mode")
    alpha: Path = cli.argument("alpha.json of the validation")
    output: Path = cli.argument("result.json")


def run(arguments: Arguments) -> None:
    identity, merging = arguments.identity(), arguments.merging
    alpha = chosen_alpha(arguments.alpha, operation="addition", vector=merging, **identity)
    single_task = single_task_accuracies(arguments.single_task, arguments.tasks, "test", **identity)
    tasks = [arguments.load_task(name) for name in arguments.tasks]
    edited = arguments.edited_model()
    result = identity | {"merging": merging}
    result |= addition.evaluate(edited, tasks, single_task, alpha, merging)
    others = [arguments.alpha, *arguments.single_task.values()]
    arguments.write_of(arguments.output, result, arguments.tasks, ["test"], others)
