"""Accuracy of a task's model θ0 + τ_t (α = 1) on validation and test (figures 2, 5)."""

from pathlib import Path

from scripts import cli
from scripts.edited_arguments import EditedArguments
from tangent.evaluation.single_task import SPLITS, single_task


class Arguments(EditedArguments):
    task: str = cli.argument("the task; its task vector or products must be given by this name")
    output: Path = cli.argument("accuracy.json")


def run(arguments: Arguments) -> None:
    task = arguments.load_task(arguments.task)
    measured = single_task(arguments.edited_model(), task)
    result = arguments.identity() | {"task": arguments.task}
    result |= {split: value.as_json() for split, value in measured.items()}
    arguments.write_of(arguments.output, result, [arguments.task], SPLITS)
