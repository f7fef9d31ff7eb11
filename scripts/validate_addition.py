"""Sweep α of θ0 + ατ, τ merged from all tasks, on every validation split; choose the best."""

from pathlib import Path

from scripts import cli
from scripts.edited_arguments import EditedArguments
from tangent.evaluation import addition
from tangent.evaluation.records import single_task_accuracies
from tangent.evaluation.sweep import SPLIT, write_sweep


class Arguments(EditedArguments):
    merging: str = cli.argument("the method, and the name of the merged task vector")
    tasks: list[str] = cli.argument("the tasks that are added")
    single_task: dict[str, Path] = cli.argument("accuracy.json of each task, in the same mode")
    alphas: list[float] = cli.argument("the grid of α")
    output_dir: Path = cli.argument("folder of sweep.csv and alpha.json")


def run(arguments: Arguments) -> None:
    """Write the whole sweep and the α of the highest mean normalised accuracy."""
    identity = arguments.identity()
    single_task = single_task_accuracies(arguments.single_task, arguments.tasks, SPLIT, **identity)
    tasks = [arguments.load_task(name) for name in arguments.tasks]
    edited = arguments.edited_model()
    points = addition.sweep(edited, tasks, single_task, arguments.alphas, arguments.merging)
    about = {"operation": "addition", **identity}
    write_sweep(arguments.output_dir / "sweep.csv", points, about | {"target": "all"})
    result = about | {"vector": arguments.merging}
    result |= {"alpha": addition.choose(points, arguments.alphas), "split": SPLIT}
    others = arguments.single_task.values()
    arguments.write_of(
        arguments.output_dir / "alpha.json", result, arguments.tasks, [SPLIT], others
    )
