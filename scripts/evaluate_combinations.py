"""Test sums over subsets of the tasks, an α per task, and analogies, as validation chose them."""

from pathlib import Path

from scripts import cli
from scripts.edited_arguments import EditedArguments
from tangent.evaluation import combinations
from tangent.evaluation.records import single_task_accuracies
from tangent.evaluation.sweep import SPLIT
from tangent.jobs.files import read_record


class Arguments(EditedArguments):
    tasks: list[str] = cli.argument("all tasks")
    single_task: dict[str, Path] = cli.argument("accuracy.json of each task, in the same mode")
    choices: Path = cli.argument("choices.json of the validation")
    output: Path = cli.argument("result.json")


def run(arguments: Arguments) -> None:
    identity = arguments.identity()
    expected = identity | {"split": SPLIT, "all_tasks": arguments.tasks}
    chosen = read_record(arguments.choices, **expected)
    single_task = single_task_accuracies(arguments.single_task, arguments.tasks, "test", **identity)
    tasks = [arguments.load_task(name) for name in arguments.tasks]
    edited = arguments.linearized_model()
    result = identity | combinations.evaluate(edited, tasks, single_task, chosen)
    others = [arguments.choices, *arguments.single_task.values()]
    arguments.write_of(arguments.output, result, arguments.tasks, ["test"], others)
