"""Measuring: runs in turn, ratios within a turn, peak memory, and the page's tables.

Times on a CPU are those that the process's threads computed, divided by their number: on a machine
that is shared, waiting for others is in the wall clock's time and not in this. Threads that wait
for each other may do so in loops that count, so one thread is measured best.
"""

import os
import platform
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.benchmark import Timer
from torch.utils.benchmark.utils.timer import timer

from tangent.jobs import provenance
from tangent.jobs.errors import UserError

Run = Callable[[], object]
Row = dict[str, str | int | float | None]
TURNS = 5


@dataclass(frozen=True)
class Setting:
    """Where and how long to measure.

    Attributes:
        device: `cpu` or `cuda`.
        threads: of the CPU.
        folder: for models; may be shared by runs.
        quick: few images, one turn: shows that everything runs, no times.
    """

    device: str
    threads: int
    folder: Path = Path()
    quick: bool = False

    def scaled(self, cpu: int, cuda: int, quick: int) -> int:
        """A size by device."""
        return quick if self.quick else cuda if self.device == "cuda" else cpu

    def now(self) -> float:
        """Seconds: of a CPU those that the process's threads computed, divided by their number."""
        if self.device == "cpu":
            return time.process_time() / self.threads
        return timer()  # waits for the GPU

    def seconds(self, run: Run, least: float = 0.0) -> float:
        """The median of runs, after a warm-up, which take so many seconds together; of one if 0."""
        timed = Timer("run()", globals={"run": run}, timer=self.now, num_threads=self.threads)
        return timed.blocked_autorange(min_run_time=least).median

    def in_turn(self, runs: Mapping[Any, Run]) -> dict[Any, list[float]]:
        """Seconds of all runs, turn by turn: what slows the machine for a while slows them all."""
        turns = range(1 if self.quick else TURNS)
        times = [{name: self.seconds(run) for name, run in runs.items()} for _ in turns]
        return {name: [turn[name] for turn in times] for name in runs}

    def peak_memory(self, run: Run, held: Iterable[torch.Tensor] = ()) -> float:
        """MB of tensors at the peak of a run, those that were there before included.

        A GPU's are torch's own count. A CPU's are summed up from the allocations that torch's
        profiler saw: a process's memory would count Python, libraries and what the allocator keeps.

        Args:
            run: what to measure; it should have run before.
            held: the tensors in memory before the run that belong to it (what it frees first is
                among them); others do not count. Memory that several share counts once.
        """
        storages = {value.untyped_storage().data_ptr(): value.untyped_storage() for value in held}
        before = sum(storage.nbytes() for storage in storages.values())
        if self.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
            others = torch.cuda.memory_allocated()
            run()
            return (before + torch.cuda.max_memory_allocated() - others) / 1e6
        with torch.profiler.profile(
            activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True, acc_events=True
        ) as profile:
            run()
        events = profile.profiler.kineto_results.events()
        changes = [event for event in events if event.name() == "[memory]"]
        changes.sort(key=lambda event: event.start_ns())
        live = np.cumsum([0] + [event.nbytes() for event in changes])
        return float(before + live.max()) / 1e6

    def description(self) -> str:
        """What is measured on, as a sentence: processor, device, versions, load, commit, date."""
        block, info = provenance.record([], {}, ""), Path("/proc/cpuinfo")
        text = info.read_text(encoding="utf-8") if info.exists() else ""
        named = re.search("^model name.*: (.*)", text, re.MULTILINE)
        facts = [
            f"{named[1] if named else platform.machine()}, {os.cpu_count()} cores, "
            f"{self.threads} threads",
            *([torch.cuda.get_device_name()] if self.device == "cuda" else []),
            f"Python {block['versions']['python']}, torch {block['versions']['torch']}",
            f"load {os.getloadavg()[0]:.1f} at the start",
            f"commit {(block['commit'] or 'unknown')[:10]}",
            f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        ]
        return f"Measured on {self.device}: {'; '.join(facts)}."


def compared(
    what: str,
    baseline: str,
    unit: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    goal: float | None = None,
) -> Row:
    """A row of a table: ours beside a baseline's, and the median, 10 % and 90 % of their ratios.

    Args:
        unit: of the samples: `s`, `MB`.
        ours, theirs: samples, of which those at the same place were taken one after the other.
        goal: largest median ratio that is good enough; None if there is none.
    """
    ratios = [first / second for first, second in zip(ours, theirs, strict=True)]
    low, median, high = np.percentile(ratios, [10, 50, 90])
    row = {"what": what, "baseline": baseline, "unit": unit}
    row |= {"ours": np.median(ours), "baseline's": np.median(theirs), "ratio": median}
    row |= {"10 %": low, "90 %": high, "repetitions": len(ratios), "goal": goal}
    return row | {"met": is_met(median, goal)}


def is_met(value: float, goal: float | None) -> str | None:
    """Whether a value is as small as its goal, where there is one."""
    return None if goal is None else "yes" if value <= goal else "no"


def table(title: str, rows: Sequence[Row], note: str = "") -> str:
    """A heading, rows of one kind and a note as Markdown; of no value (None) the cell is empty."""
    cells = [list(rows[0]), ["---", *["--:"] * (len(rows[0]) - 1)]]
    cells += [[_cell(value) for value in row.values()] for row in rows]
    lines = "".join(f"| {' | '.join(row)} |\n" for row in cells)
    return f"### {title}\n\n{lines}" + (f"\n{note}\n" if note else "")


def _cell(value: str | int | float | None) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 1000 else f"{value:.3g}"


def replaced(page: Path, part: str, text: str) -> str:
    """The page with `text` between a part's two marks.

    Args:
        page: Markdown with the lines `<!-- bench PART -->` and `<!-- /bench PART -->`.
        part: device and module, as `cpu linear_step`.
        text: takes the place of an earlier run's.

    Raises:
        UserError: the page is missing, or does not have both lines once, in this order.
    """
    first, last = f"<!-- bench {part} -->", f"<!-- /bench {part} -->"
    content = page.read_text(encoding="utf-8") if page.exists() else ""
    found = re.split(f"{first}.*?{last}", content, flags=re.DOTALL)
    if len(found) != 2 or content.count(first) + content.count(last) != 2:
        raise UserError(
            f"{page} must hold the lines {first} and {last} once, in this order: the tables go "
            "between them."
        )
    return f"{first}\n{text}\n{last}".join(found)
