"""Merge the task vectors of all tasks into one, which task addition scales by α."""

from pathlib import Path

from scripts import cli


class Arguments(cli.Common):
    method: str = cli.argument("a module of tangent.arithmetic.merging, such as sum")
    task_vectors: dict[str, Path] = cli.argument("task vectors by name, in the study's order")
    output: Path = cli.argument("merged vector to write (safetensors)")


def run(arguments: Arguments) -> None:
    """Write the merged vector, which names its method and its tasks."""
    from tangent.arithmetic.merging import merge_by
    from tangent.arithmetic.task_vector import TaskVector

    files = arguments.task_vectors
    merged = merge_by(arguments.method, [TaskVector.load(path) for path in files.values()])
    about = {"merging": arguments.method, "tasks": "+".join(files)}
    merged.save(arguments.output, arguments.metadata(files.values(), **about))
