"""The first pass over a data set: its rows are decoded, hashed and put in order."""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from tangent.data.sources.source import Rows
from tangent.jobs.progress import Progress
from tangent.tasks.task_files import AnyTask

# Sources read ascending rows fastest, in groups.
_ROWS_PER_JOB = 16


class Official:
    """An official split: its rows, their labels as class indices, and what the first pass found.

    Attributes:
        noun: what an example is called.
        contents: SHA-256 of each example without its label, uint8 [n, 32].
        digests: row digests, uint8 [n, 32].
        originals: heights and widths, int64 [n, 2]; zeros for texts.
    """

    def __init__(self, name: str, rows: Rows, labels: np.ndarray, noun: str) -> None:
        self.name, self.rows, self.labels, self.noun = name, rows, labels, noun
        n = len(rows)
        self.contents, self.digests = np.zeros((2, n, hashlib.sha256().digest_size), np.uint8)
        self.originals = np.zeros((n, 2), np.int64)

    def examine(self, rows: np.ndarray, threads: int, what: str) -> None:
        """Decode and hash some rows."""

        def work(row: int) -> None:
            example = self.rows[row]
            if isinstance(example, np.ndarray):
                self.originals[row] = example.shape[:2]
            found = digests(example, self.labels[row])
            self.contents[row], self.digests[row] = (np.frombuffer(one, np.uint8) for one in found)

        for_each(rows, work, threads, f"check {what}, {self.name}", self.noun)

    def ordered(self, order: str, threads: int, what: str) -> np.ndarray:
        """Return all rows by `content`, by `name`, or as the `source` has them."""
        every = np.arange(len(self.rows))
        if order == "content":
            self.examine(every, threads, what)
            return _by_content(self.digests)
        if order == "name":
            return np.array(sorted(every.tolist(), key=self.rows.key), np.int64)
        return every


@dataclass(frozen=True)
class Member:
    """A split to be written: rows of an official split, in the order of the file."""

    official: Official
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, name: str) -> np.ndarray:
        """Return an array of the official split for these rows."""
        return getattr(self.official, name)[self.rows]

    @cached_property
    def content_sha256(self) -> str:
        """SHA-256 of the split's sorted row digests; its rows must have been examined."""
        rows = self.of("digests")
        return hashlib.sha256(rows[_by_content(rows)].tobytes()).hexdigest()

    def arrays(self) -> dict[str, np.ndarray]:
        """What the file of any kind of examples holds beside them."""
        return {"labels": self.of("labels"), "hashes": self.of("digests")}

    def metadata(self, task: AnyTask, name: str, geometry: dict[str, Any]) -> dict[str, str]:
        """What the file says of itself, whatever its kind."""
        return {
            "task": task.name,
            "split": name,
            "classes": json.dumps(task.classes),
            "geometry": json.dumps(geometry),
            "content_sha256": self.content_sha256,
        }


def digests(example: np.ndarray | Mapping[str, Any], label: int) -> tuple[bytes, bytes]:
    """Return the SHA-256 of an example and of its row: by content alone, whatever copy it is from.

    Args:
        example: an image as it was decoded, uint8 [height, width, 3], RGB, at its original size; or
            a text, the values of the columns that its task's prompt reads.
        label: index of the class.

    Returns:
        SHA-256 of `{height}x{width}x3:` and the pixels, or of `text:` and the columns as JSON,
        sorted by name; and of the same followed by the label's eight bytes (little-endian).
    """
    if isinstance(example, np.ndarray):
        digest = hashlib.sha256("x".join(map(str, example.shape)).encode() + b":")
        digest.update(np.ascontiguousarray(example))
    else:
        content = json.dumps(dict(example), sort_keys=True, ensure_ascii=False)
        digest = hashlib.sha256(f"text:{content}".encode())
    of_example = digest.digest()
    digest.update(int(label).to_bytes(8, "little"))
    return of_example, digest.digest()


def _by_content(rows: np.ndarray) -> np.ndarray:
    """The order [n] that sorts row digests (uint8 [n, 32])."""
    return np.lexsort(rows.T[::-1])


def for_each(
    rows: np.ndarray, work: Callable[[int], None], threads: int, what: str, noun: str
) -> None:
    """Call `work` with each row, in ascending order but for what the threads do at the same time.

    Decoding, resizing and hashing leave Python's lock. The first error ends it: rows that no thread
    has begun are left out.
    """
    ascending = np.sort(rows).tolist()
    jobs = (ascending[i : i + _ROWS_PER_JOB] for i in range(0, len(rows), _ROWS_PER_JOB))

    def job(part: list[int]) -> int:
        for row in part:
            work(row)
        return len(part)

    with Progress(what, len(rows), noun) as progress, ThreadPoolExecutor(threads) as pool:
        # Not `pool.map`: its threads would be far ahead before an error is seen.
        waiting = deque(pool.submit(job, part) for part in islice(jobs, 2 * threads))
        try:
            while waiting:
                progress.update(waiting.popleft().result())
                waiting.extend(pool.submit(job, part) for part in islice(jobs, 1))
        finally:
            pool.shutdown(cancel_futures=True)
