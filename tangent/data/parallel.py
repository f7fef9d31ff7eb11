"""Work on many rows in a few threads: decoding, resizing and hashing leave Python's lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np

from tangent.jobs.progress import Progress

# Sources read ascending rows fastest, in groups.
_ROWS_PER_JOB = 16


def for_each(
    rows: np.ndarray, work: Callable[[int], None], threads: int, progress: Progress
) -> None:
    """Call `work` with each row, in ascending order but for what the threads do at the same time.

    The first error ends it: rows that no thread has begun are left out.
    """
    ascending = np.sort(rows)
    jobs = (ascending[i : i + _ROWS_PER_JOB] for i in range(0, len(rows), _ROWS_PER_JOB))

    def job(part: np.ndarray) -> int:
        for row in part.tolist():
            work(row)
        return len(part)

    with ThreadPoolExecutor(threads) as pool:
        waiting = deque(pool.submit(job, part) for part in islice(jobs, 2 * threads))
        try:
            while waiting:
                progress.update(waiting.popleft().result())
                waiting.extend(pool.submit(job, part) for part in islice(jobs, 1))
        finally:
            pool.shutdown(cancel_futures=True)
