"""Find a task's images: the first configured source that is there; download them if need be."""

from dataclasses import asdict
from pathlib import Path

from scripts import cli


class Arguments(cli.Common):
    task: str = cli.argument("name of the task")
    sources: list[str] = cli.argument("its sources in the order tried, each as JSON")
    train_images: int = cli.argument("expected size of the official training set")
    validation_images: int | None = cli.argument("expected size of its own validation set", None)
    test_images: int = cli.argument("expected size of the official test set")
    output: Path = cli.argument("file that says where the images are (JSON)")


def run(arguments: Arguments) -> None:
    """Write the chosen source, where its files are, and why earlier sources were skipped."""
    from tangent.data.sources.locating import locate
    from tangent.data.sources.source import Sizes
    from tangent.jobs import sources
    from tangent.tasks.task_files import load_task

    task = load_task(arguments.task)
    entries = [sources.parse(entry) for entry in arguments.sources]
    sizes = Sizes(arguments.train_images, arguments.validation_images, arguments.test_images)
    located = locate(task, entries, sizes)
    arguments.write(arguments.output, {"task": task.name, **asdict(located)}, [])
