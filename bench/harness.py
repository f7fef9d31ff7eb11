"""Measuring: alternating runs, ratios of paired samples, peak memory.

Times on a CPU are those that the process's threads computed, divided by their number: on a machine
that is shared, waiting for others is in the wall clock's time and not in this. Threads that wait
for each other may do so in loops that count, so one thread is measured best. Each repetition runs
all candidates in turn, and a ratio is taken within a repetition, so what slows the machine for a
while (its clock, its caches, other programs) slows both of its parts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.benchmark import Timer
from torch.utils.benchmark.utils.timer import timer

Run = Callable[[], object]


@dataclass(frozen=True)
class Ratio:
    """Ours over the baseline, in paired repetitions.

    Attributes:
        median: of the repetitions' ratios.
        low, high: their 10th and 90th percentiles.
        ours, baseline: medians of each by itself, in the unit measured.
        repetitions: how many pairs.
    """

    median: float
    low: float
    high: float
    ours: float
    baseline: float
    repetitions: int

    @classmethod
    def of(cls, ours: Sequence[float], baseline: Sequence[float]) -> Ratio:
        """From samples of which those at the same place were taken one after the other."""
        pairs = list(zip(ours, baseline, strict=True))
        ratios = [first / second for first, second in pairs]
        low, median, high = np.percentile(ratios, [10, 50, 90])
        first, second = np.median(pairs, axis=0)
        return cls(*map(float, (median, low, high, first, second)), len(pairs))


@dataclass(frozen=True)
class Clock:
    """Seconds of a run on a device.

    Attributes:
        device: `cpu` or `cuda`.
        threads: of the CPU.
    """

    device: str
    threads: int

    def now(self) -> float:
        """Seconds: of a CPU those that the process's threads computed, divided by their number."""
        if self.device == "cpu":
            return time.process_time() / self.threads
        return timer()  # waits for the GPU

    def seconds(self, run: Run) -> float:
        """Run once."""
        started = self.now()
        run()
        return self.now() - started

    def seconds_per_run(self, run: Run, least: float) -> float:
        """The median of blocks of runs, after a warm-up, which take so many seconds together."""
        names = {"run": run}
        timed = Timer("run()", globals=names, timer=self.now, num_threads=self.threads)
        return timed.blocked_autorange(min_run_time=least).median


def alternate(
    runs: Mapping[str, Run],
    seconds_of: Callable[[Run], float],
    budget: float,
    repetitions: tuple[int, int] = (3, 50),
    warm_up: int = 1,
) -> dict[str, list[float]]:
    """Times of several candidates, run in turn: A B C A B C ….

    Args:
        runs: the candidates by name.
        seconds_of: runs one and returns its time: `Clock.seconds`.
        budget: seconds (of the wall clock) after which no new repetition starts.
        repetitions: the fewest, whatever they take, and the most.
        warm_up: runs of each before; they compile, fill memory pools and choose kernels.

    Returns:
        for each candidate, one time per repetition.
    """
    for run in runs.values():
        for _ in range(warm_up):
            run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    fewest, most = repetitions
    started = time.monotonic()
    for done in range(most):
        if done >= fewest and time.monotonic() - started > budget:
            break
        for name, run in runs.items():
            times[name].append(seconds_of(run))
    return times


def peak_memory(run: Run, device: str, held: Iterable[Any] = ()) -> int:
    """Bytes of tensors at the peak of a run, those that were there before included.

    A GPU's are torch's own count. A CPU's are summed up from the allocations that torch's profiler
    saw: a process's memory would count Python, libraries and what the allocator keeps.

    Args:
        run: what to measure; it should have run before.
        device: `cpu` or `cuda`.
        held: the tensors in memory before the run that belong to it; others do not count.
    """
    import torch

    before = held_bytes(held)  # what the run frees first is among them
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        others = torch.cuda.memory_allocated()
        run()
        torch.cuda.synchronize()
        return before + torch.cuda.max_memory_allocated() - others
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True, acc_events=True
    ) as profile:
        run()
    changes = [
        (event.start_ns(), event.nbytes())
        for event in profile.profiler.kineto_results.events()
        if event.name() == "[memory]"
    ]
    live = np.cumsum([0] + [size for _, size in sorted(changes, key=lambda change: change[0])])
    return before + int(live.max())


def held_bytes(tensors: Iterable[Any]) -> int:
    """Bytes behind tensors; memory that several share counts once."""
    storages = {
        tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors
    }
    return sum(storages.values())
