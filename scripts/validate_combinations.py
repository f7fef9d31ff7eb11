"""Choose α of the sum over every subset of the tasks, an α per task, and α of analogies."""

from pathlib import Path

from scripts import cli
from scripts.edited_arguments import EditedArguments
from tangent.evaluation import combinations
from tangent.evaluation.analogies import Analogy
from tangent.evaluation.records import single_task_accuracies
from tangent.evaluation.sweep import SPLIT
from tangent.jobs.errors import UserError


class Arguments(EditedArguments):
    tasks: list[str] = cli.argument("all tasks")
    single_task: dict[str, Path] = cli.argument("accuracy.json of each task, in the same mode")
    alphas: list[float] = cli.argument("the grid of α")
    subsets_per_size: int = cli.argument("subsets of each number of tasks; all if there are fewer")
    analogies: list[str] = cli.argument("A:B:C:D, tasks of which a is to b as c is to d", [])
    output: Path = cli.argument("choices.json")


def run(arguments: Arguments) -> None:
    analogies = [_analogy(text, arguments.tasks) for text in arguments.analogies]
    identity = arguments.identity()
    single_task = single_task_accuracies(arguments.single_task, arguments.tasks, SPLIT, **identity)
    tasks = [arguments.load_task(name) for name in arguments.tasks]
    edited = arguments.linearized_model()
    result = identity | {"split": SPLIT, "all_tasks": arguments.tasks}
    result |= combinations.choose(
        edited, tasks, single_task, arguments.alphas, arguments.subsets_per_size, analogies
    )
    others = arguments.single_task.values()
    arguments.write_of(arguments.output, result, arguments.tasks, [SPLIT], others)


def _analogy(text: str, tasks: list[str]) -> Analogy:
    names = text.split(":")
    if len(names) != 4 or len(set(names[:3])) < 3 or not set(names) <= set(tasks):
        raise UserError(
            f"--analogies {text}: give A:B:C:D, of the tasks {', '.join(tasks)}, A to C different."
        )
    return Analogy(*names)
