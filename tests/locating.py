"""scripts/locate_dataset.py run as rules run it, and what it found opened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from small_copies import Picture
from workspace import ROOT

from scripts import cli, locate_dataset
from tangent.data.sources.locating import open_source, read_located
from tangent.data.sources.source import Rows, Sizes, SourceData
from tangent.tasks.matching import match_labels
from tangent.tasks.task_files import load_task

IN_ONE_PROCESS = """
import json, sys
from scripts import cli, locate_dataset
for argv in json.loads(sys.argv[1]):
    locate_dataset.run(cli.parse(locate_dataset.Arguments, argv))
"""


def locate(
    output: Path, task: str, entries: list[dict], sizes: Sizes, fails: bool, **variables: str
) -> str:
    """Run the script in a process of its own; returns what it printed to standard error.

    Args:
        output: the file that it writes.
        task: name of the task.
        entries: its sources.
        sizes: expected sizes.
        fails: whether it must end with an error.
        variables: environment variables.
    """
    command = ["-m", "scripts", "locate_dataset", *arguments(output, task, entries, sizes)]
    answer = _python(command, variables)
    assert (answer.returncode != 0) == fails, answer.stderr
    assert "bug of the pipeline" not in answer.stderr, answer.stderr
    # Neither a result nor a part of one stays behind an error.
    assert output.exists() != fails
    assert fails or not list(output.parent.glob(".*"))
    return answer.stderr


def locate_all(jobs: list[list[str]], **variables: str) -> None:
    """Run the script with each of several command lines, in one process that starts once."""
    answer = _python(["-c", IN_ONE_PROCESS, json.dumps(jobs)], variables)
    assert answer.returncode == 0, answer.stderr


def locate_here(output: Path, task: str, entries: list[dict], sizes: Sizes) -> SourceData:
    """Run the script in this process and open what it found; errors are raised."""
    locate_dataset.run(cli.parse(locate_dataset.Arguments, arguments(output, task, entries, sizes)))
    return opened(output, task, sizes)


def arguments(output: Path, task: str, entries: list[dict], sizes: Sizes) -> list[str]:
    """The script's command line."""
    words = ["--task", task, "--sources", *map(json.dumps, entries), "--output", str(output)]
    for split, size in vars(sizes).items():
        words += [] if size is None else [f"--{split}-images", str(size)]
    return words


def _python(command: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=kept | variables, capture_output=True, text=True
    )


def opened(output: Path, task: str, sizes: Sizes) -> SourceData:
    """Open what the script found."""
    return open_source(load_task(task), read_located(output), sizes)


def content(task: str, rows: Rows, classes: tuple[str, ...]) -> Counter[tuple]:
    """Shape, pixels and class of every image; how often each occurs."""
    class_of = match_labels(load_task(task), classes)
    images = ((rows[row], class_of[label]) for row, label in enumerate(rows.labels))
    return Counter((image.shape, image.tobytes(), int(label)) for image, label in images)


def drawn(pictures: list[Picture]) -> Counter[tuple]:
    """The same of the pictures that a small copy was written from."""
    return Counter((p.pixels.shape, p.pixels.tobytes(), p.label) for p in pictures)
