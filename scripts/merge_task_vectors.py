"""Merge the task vectors of all tasks into one, which task addition scales by α."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from scripts import cli


@dataclass(frozen=True, kw_only=True)
class Arguments(cli.Common):
    """Merge the task vectors of all tasks into one, which task addition scales by α."""

    method: str = cli.argument("a module of tangent.arithmetic.merging, such as sum")
    task_vectors: dict[str, Path] = cli.argument("task vectors by name, in the study's order")
    output: Path = cli.argument("merged vector to write (safetensors)")


def run(arguments: Arguments) -> None:
    """Write the merged vector, which names its method and its tasks."""
    from tangent.arithmetic.merging import merge_by
    from tangent.arithmetic.task_vector import TaskVector
    from tangent.jobs import provenance

    files = arguments.task_vectors
    block = provenance.record(files.values(), arguments.settings(), arguments.code)
    merged = merge_by(arguments.method, [TaskVector.load(path) for path in files.values()])
    metadata = {
        "merging": arguments.method,
        "tasks": "+".join(files),
        "provenance": json.dumps(block),
    }
    merged.save(arguments.output, metadata)


if __name__ == "__main__":
    cli.main(Arguments, run)
