"""Find a task's images: the first configured source that is there; download them if need be."""

import logging
from dataclasses import asdict
from pathlib import Path

from scripts import cli


class Arguments(cli.Common):
    task: str = cli.argument("name of the task")
    sources: list[str] = cli.argument("its sources in the order tried, each as JSON")
    train_images: int = cli.argument("expected size of the official training set")
    validation_images: int | None = cli.argument("expected size of its own validation set", None)
    test_images: int = cli.argument("expected size of the official test set")
    task_file: str | None = cli.argument("the task's file, if it is none of ours", None)
    listing: str | None = cli.argument("digest of what was listed of the user's own data", None)
    output: Path = cli.argument("file that says where the images are (JSON)")


def run(arguments: Arguments) -> None:
    """Write the chosen source, where its files are, and why earlier sources were skipped."""
    from tangent.data.sources.locating import DATA_SOURCES, locate, task_of
    from tangent.data.sources.source import Sizes
    from tangent.jobs import sources
    from tangent.jobs.errors import UserError
    from tangent.tasks.task_files import GENERAL_PROMPTS, as_content, first_of

    entries = [sources.parse(entry) for entry in arguments.sources]
    key = f"datasets.{arguments.task}.sources"
    described = [sources.described(DATA_SOURCES, entry, key) for entry in entries]
    task = task_of(arguments.task, arguments.task_file, described)
    if task.file is not None and arguments.task_file is None:
        logging.getLogger("tangent").warning(
            "%s has no task file (datasets.%s.task): its classes are called %s, in the prompt %r",
            *(task.name, task.name, first_of(list(task.classes)), GENERAL_PROMPTS[task.kind]),
        )
    sizes = Sizes(arguments.train_images, arguments.validation_images, arguments.test_images)
    located = locate(task, entries, sizes)
    if arguments.listing not in (None, located.details.get("listing", arguments.listing)):
        raise UserError(
            f"the files of {task.name} have changed since Snakemake listed them: start it again."
        )
    description = None if task.file is None else as_content(task)
    result = {"task": task.name, "description": description, **asdict(located)}
    arguments.write(arguments.output, result, [])
