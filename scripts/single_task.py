"""Accuracy of a task's model θ0 + τ_t (α = 1) on validation and test (figures 2, 5)."""

from pathlib import Path

from scripts import cli
from scripts.edited_arguments import EditedArguments
from tangent.evaluation.evaluation_task import SPLITS


class Arguments(EditedArguments):
    task: str = cli.argument("the task; its task vector or products must be given by this name")
    output: Path = cli.argument("accuracy.json")


def run(arguments: Arguments) -> None:
    task = arguments.load_task(arguments.task)
    edited = arguments.edited_model()
    result = arguments.identity() | {"task": arguments.task}
    for split in SPLITS:
        result[split] = task.accuracy(edited, {task.name: 1.0}, split).as_json()
    arguments.write_of(arguments.output, result, [arguments.task], SPLITS)
