"""Test sums over subsets of the tasks, an α per task, and analogies, as validation chose them."""

from pathlib import Path

from scripts import cli
from scripts.edited_arguments import AddedArguments
from tangent.evaluation import combinations
from tangent.evaluation.evaluation_task import SPLIT
from tangent.jobs.files import read_record


class Arguments(AddedArguments):
    choices: Path = cli.argument("choices.json of the validation")
    output: Path = cli.argument("result.json")


def run(arguments: Arguments) -> None:
    identity = arguments.identity()
    expected = identity | {"split": SPLIT, "all_tasks": arguments.tasks}
    chosen = read_record(arguments.choices, **expected)
    single_task, tasks = arguments.single_task_accuracies("test"), arguments.load_tasks()
    edited = arguments.linearized_model()
    result = identity | combinations.evaluate(edited, tasks, single_task, chosen)
    others = [arguments.choices, *arguments.single_task.values()]
    arguments.write_of(arguments.output, result, arguments.tasks, ["test"], others)
