"""Choose α of the sum over every subset of the tasks, an α per task, and α of analogies."""

from pathlib import Path

from scripts import cli
from scripts.edited_arguments import AddedArguments
from tangent.evaluation import combinations
from tangent.evaluation.evaluation_task import SPLIT
from tangent.jobs.errors import UserError


class Arguments(AddedArguments):
    alphas: list[float] = cli.argument("the grid of α")
    subsets_per_size: int = cli.argument("subsets of each number of tasks; all if there are fewer")
    analogies: list[str] = cli.argument("A:B:C:D, tasks of which a is to b as c is to d", [])
    output: Path = cli.argument("choices.json")


def run(arguments: Arguments) -> None:
    analogies = [_analogy(text, arguments.tasks) for text in arguments.analogies]
    single_task, tasks = arguments.single_task_accuracies(SPLIT), arguments.load_tasks()
    edited = arguments.linearized_model()
    result = arguments.identity() | {"split": SPLIT, "all_tasks": arguments.tasks}
    result |= combinations.choose(
        edited, tasks, single_task, arguments.alphas, arguments.subsets_per_size, analogies
    )
    others = arguments.single_task.values()
    arguments.write_of(arguments.output, result, arguments.tasks, [SPLIT], others)


def _analogy(text: str, tasks: list[str]) -> list[str]:
    names = text.split(":")
    if len(names) != 4 or len(set(names[:3])) < 3 or not set(names) <= set(tasks):
        raise UserError(
            f"--analogies {text}: give A:B:C:D, of the tasks {', '.join(tasks)}, A to C different."
        )
    return names
