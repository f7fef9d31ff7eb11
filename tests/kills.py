"""Kills a run at random moments, starts it again, and compares what it made with another run's."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workspace import Workspace

from tangent.jobs.files import sha256_file
from tangent.jobs.run_lock import JOBS_FILE, RUN_FILE, SHARED_FILE, present_run

SECONDS = 3600.0
"""A run that is not where it should be after so long hangs."""


@dataclass
class Run:
    """A running Snakemake, whose output is read as it comes.

    Attributes:
        process: Snakemake, which leads a process group with all its jobs in it.
        lines: what it printed so far.
    """

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout))
        self._reader.start()

    @property
    def finished_jobs(self) -> int:
        """Jobs that Snakemake has called done, in this run."""
        done = re.findall(r"^(\d+) of \d+ steps", "".join(self.lines), re.MULTILINE)
        return int(done[-1]) if done else 0

    @property
    def output(self) -> str:
        """All that was printed."""
        return "".join(self.lines)

    def wait_until(self, condition: Callable[[], object]) -> bool:
        """Wait until a condition holds; False if the run ends before."""
        deadline = time.monotonic() + SECONDS
        while not condition():
            if self.process.poll() is not None:
                return False
            assert time.monotonic() < deadline, self.output
            time.sleep(0.02)
        return True

    def end(self, signal_number: int | None = None, whole_group: bool = False) -> int:
        """Send a signal, if one is given, and wait for Snakemake's end; returns its status."""
        if signal_number is not None:
            send = os.killpg if whole_group else os.kill
            send(self.process.pid, signal_number)
        status = self.process.wait()
        # A job that outlives Snakemake keeps the pipe open.
        self._reader.join(timeout=1)
        return status


def processes_in(folder: Path) -> dict[int, str]:
    """Command lines of the processes that work in a folder, by id (Linux)."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if Path(os.readlink(entry / "cwd")) == folder.resolve():
                words = (entry / "cmdline").read_bytes().split(b"\0")
                found[int(entry.name)] = b" ".join(words).decode(errors="replace")
        except OSError:
            continue  # it has just ended, or is another user's
    return found


def run_with_kills(
    workspace: Workspace, results: Path, kills: int, seed: int, *arguments: str
) -> Iterator[str]:
    """Run a study to its end, killing its whole process group `kills` times.

    Moments are spread over the run: each is a random number of finished jobs after the restart and
    a random delay. The first kill hits a fine-tuning that has just begun, every fifth after it one
    that has saved its state, if there is one until then.

    Args:
        workspace: where it runs.
        results: folder of the study's results.
        kills: how many.
        seed: of the moments.
        arguments: of Snakemake.

    Yields:
        what was hit, for each kill.
    """
    chance = random.Random(seed)
    for number in range(kills):
        run = Run(workspace.start(*arguments))
        begun = run.wait_until(lambda run=run: total_of(run))
        # Twice an equal share of what is left for each kill and for the end, of which some jobs are
        # kept for the last kill to hit.
        jobs = chance.randint(0, 2 * max(0, total_of(run) - 8) // (kills - number + 1))
        if number % 5:
            hit = run.wait_until(lambda run=run, jobs=jobs: run.finished_jobs >= jobs)
        else:
            sign = "state.pt" if number else "events"
            hit = run.wait_until(
                lambda run=run, jobs=jobs, sign=sign, is_first=number == 0: (
                    in_training(results, sign) or (not is_first and run.finished_jobs >= jobs)
                )
            )
        if begun and hit:  # not so long that what is to be hit is over
            time.sleep(chance.uniform(0, 3 if number % 5 and total_of(run) > 8 else 0.5))
        assert run.process.poll() is None, f"seed {seed}: ended before kill {number}\n{run.output}"
        running = processes_in(workspace.folder)
        run.end(signal.SIGKILL, whole_group=True)
        wait_for_the_end_of(running)
        steps = sorted(set(re.findall(r"-m scripts (\w+)", " ".join(running.values()))))
        yield f"after {run.finished_jobs} of {total_of(run)} jobs, in {', '.join(steps) or 'none'}"
    workspace.snakemake(*arguments)


def total_of(run: Run) -> int:
    """The number of jobs that a run announced; 0 if it has not yet."""
    found = re.search(r"^total +(\d+)$", run.output, re.MULTILINE)
    return int(found[1]) if found else 0


def in_training(results: Path, sign: str) -> list[Path]:
    """Fine-tunings that have begun and not ended, and whose folder holds `sign`."""
    begun = results.glob(f"finetuned/*/*/*/*/{sign}")
    return [path.parent for path in begun if not (path.parent / "encoder.safetensors").exists()]


def wait_for_the_end_of(processes: dict[int, str]) -> None:
    """Wait until killed processes are gone: the group was killed, jobs included."""
    deadline = time.monotonic() + 60
    while alive := [pid for pid in processes if not is_gone(pid)]:
        assert time.monotonic() < deadline, f"still alive: {[processes[pid] for pid in alive]}"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    """Whether a process has ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


# What two runs of the same study may differ in, and nothing else:
NOT_RESULTS = (
    "logs",  # when and how often each step ran
    "benchmarks",  # seconds and memory
)
LOCKS = (RUN_FILE, JOBS_FILE, SHARED_FILE, present_run(Path()).name)
TIMES = {"seconds"}  # keys of JSON files
# The report's section on wall times and memory.
TIMES_OF_REPORT = re.compile(r'<section id="cost">.*?</section>', re.DOTALL)
EVENTS = "events.out.tfevents."  # TensorBoard's own format: wall-clock times in names and records


def differences(one: Path, other: Path) -> list[str]:
    """Compare all that two runs of a study have made, file by file.

    Bytes must be equal, but for the times that a file holds; of TensorBoard's events the values.
    """
    contents = [dict(artefacts(folder)) for folder in (one, other)]
    names = sorted(set(contents[0]) | set(contents[1]))
    return [name for name in names if contents[0].get(name) != contents[1].get(name)]


def artefacts(folder: Path) -> Iterator[tuple[str, Any]]:
    """Name and comparable content of every result below a folder."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_dir() or name.parts[0] in NOT_RESULTS:
            continue
        if path.name.startswith(EVENTS):
            yield str(name.parent), tuple(events(path))
        elif path.suffix == ".json":
            yield str(name), json_without_times(path)
        elif path.suffix == ".html":
            yield str(name), TIMES_OF_REPORT.sub("", path.read_text(encoding="utf-8"))
        elif path.name in LOCKS:
            continue
        else:
            yield str(name), sha256_file(path)


def json_without_times(path: Path) -> str:
    """A JSON file's content without what was measured in seconds; if it is none, its text."""
    text = path.read_text(encoding="utf-8")
    try:
        return json.dumps(without_times(json.loads(text)))
    except json.JSONDecodeError:
        return text


def without_times(content: Any) -> Any:
    """Parsed JSON without the keys in `TIMES`."""
    if isinstance(content, dict):
        return {key: without_times(value) for key, value in content.items() if key not in TIMES}
    return [without_times(value) for value in content] if isinstance(content, list) else content


def events(path: Path) -> Iterator[tuple[int, str, float]]:
    """Step, name and value of each scalar in a TensorBoard file."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    for event in EventFileLoader(str(path)).Load():
        for value in event.summary.value:
            yield event.step, value.tag, tuple(value.tensor.float_val)


def remains(folder: Path) -> list[Path]:
    """Files that a killed run could leave, and that must not be there at the end."""
    names = (".*.tmp*", ".writable", "state.pt")
    return [path for name in names for path in folder.rglob(name)]
