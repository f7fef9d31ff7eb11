"""The jobs of a study as the workflow would run them today, in the order in which it does."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


def plain_path(path: str | Path) -> str:
    """A path as it is compared and shown: relative inside the present folder, absolute outside."""
    absolute = os.path.abspath(path)
    relative = os.path.relpath(absolute)
    return absolute if relative.split(os.sep)[0] == os.pardir else relative


@dataclass(frozen=True)
class PlannedJob:
    """A job with today's configuration and code, whether it has run or not.

    Attributes:
        record: where it leaves the record of itself (`tangent.jobs.job_record`).
        step: name of its script.
        settings: the values of its flags, as JSON has them.
        code: fingerprint of the code that it would run.
        inputs: the files that it reads, as `plain_path` writes them.
        outputs: the files and folders that it writes, likewise.
    """

    record: Path
    step: str
    settings: Mapping[str, Any]
    code: str
    inputs: Sequence[str]
    outputs: Sequence[str]

    def makes(self, path: str) -> bool:
        """Whether a file is one of its outputs or lies in one."""
        return any(path == output or path.startswith(f"{output}/") for output in self.outputs)

    def files(self) -> list[str]:
        """Its outputs that exist; of a folder, the files in it."""
        return [file for output in self.outputs for file in _files(output)]

    def missing(self) -> list[str]:
        """Its outputs that do not exist."""
        return [output for output in self.outputs if not os.path.exists(output)]


def _files(path: str) -> Iterator[str]:
    if os.path.isfile(path):
        yield path
    else:
        for folder, folders, names in os.walk(path):
            folders.sort()
            # Hidden: Snakemake's time stamp of the folder.
            yield from (
                os.path.join(folder, name) for name in sorted(names) if not name.startswith(".")
            )


def producers(jobs: Iterable[PlannedJob]) -> dict[str, PlannedJob]:
    """Output -> the job that makes it."""
    return {output: job for job in jobs for output in job.outputs}


def in_order(jobs: Sequence[PlannedJob]) -> list[PlannedJob]:
    """Every job after those that it depends on, so that a root cause comes before what follows.

    A job comes as late as it may: one that needs nothing stands beside those that wait for it, and
    an edited setting is seen at the step that it is about before it is seen in the configuration
    that the tables read.
    """
    made_by = producers(jobs)
    before = {job.record: [made_by[path] for path in job.inputs if path in made_by] for job in jobs}
    after: dict[Path, list[PlannedJob]] = {job.record: [] for job in jobs}
    for job in jobs:
        for earlier in before[job.record]:
            after[earlier.record].append(job)

    @cache
    def steps(record: Path, is_forward: bool) -> int:
        """The longest way from here to the end of the workflow, or to its beginning."""
        neighbours = (after if is_forward else before)[record]
        return max((1 + steps(job.record, is_forward) for job in neighbours), default=0)

    return sorted(
        jobs, key=lambda job: (-steps(job.record, True), -steps(job.record, False), job.outputs[0])
    )
