"""Sweep α of θ0 + ατ, τ merged from all tasks, on every validation split; choose the best."""

from pathlib import Path

from scripts import cli
from scripts.edited_arguments import AddedArguments
from tangent.evaluation import addition
from tangent.evaluation.evaluation_task import SPLIT, SweepPoint
from tangent.jobs.files import write_csv


class Arguments(AddedArguments):
    merging: str = cli.argument("the method, and the name of the merged task vector")
    alphas: list[float] = cli.argument("the grid of α")
    output_dir: Path = cli.argument("folder of sweep.csv and alpha.json")


def run(arguments: Arguments) -> None:
    """Write the whole sweep and the α of the highest mean normalised accuracy."""
    single_task, tasks = arguments.single_task_accuracies(SPLIT), arguments.load_tasks()
    edited = arguments.edited_model()
    points = addition.sweep(edited, tasks, single_task, arguments.alphas, arguments.merging)
    about = {"operation": "addition", **arguments.identity()}
    write_csv(
        arguments.output_dir / "sweep.csv", SweepPoint._fields, points, about | {"target": "all"}
    )
    result = about | {"vector": arguments.merging}
    result |= {"alpha": addition.choose(points, arguments.alphas), "split": SPLIT}
    others = arguments.single_task.values()
    arguments.write_of(
        arguments.output_dir / "alpha.json", result, arguments.tasks, [SPLIT], others
    )
