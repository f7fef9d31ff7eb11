"""Decode a task's images, cut the validation split, check and hash the splits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scripts import cli


@dataclass(frozen=True, kw_only=True)
class Arguments(cli.Common):
    """Decode a task's images, cut the validation split, check and hash the splits."""

    task: str = cli.argument("name of the task; its classes are in tangent/tasks")
    source: str = cli.argument("the data set's entry in the configuration, as JSON")
    validation_fraction: float = cli.argument("share of the training set to hold out")
    validation_maximum: int = cli.argument("largest number of images to hold out")
    output_dir: Path = cli.argument("folder for the three splits and dataset.json")


def run(arguments: Arguments) -> None:
    """Write train, validation and test.safetensors, and dataset.json last."""
    from tangent import datasets, provenance, sources
    from tangent.datasets.preparation import save
    from tangent.files import write_json
    from tangent.tasks import load_task

    entry = sources.parse(arguments.source)
    task = load_task(arguments.task)
    splits, description = datasets.prepare(
        task,
        datasets.load_source(task.name, entry),
        arguments.validation_fraction,
        arguments.validation_maximum,
    )
    save(splits, arguments.output_dir)
    content = {
        "task": task.name,
        "classes": list(task.classes),
        "splits": description,
        "source": entry,
        "provenance": provenance.record([], arguments.settings(), arguments.code),
    }
    write_json(arguments.output_dir / "dataset.json", content)


if __name__ == "__main__":
    cli.main(Arguments, run)
