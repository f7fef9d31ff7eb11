"""Chance for property tests: other numbers in every run; the seed is shown if a test fails.

And what several tests of files and logs need.
"""

from __future__ import annotations

import logging
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import pytest
from hypothesis import settings

# Read when torch starts: threads that wait for each other make small problems many times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shared machine may be slow at any moment; that is no property of the code.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture
def seed() -> int:
    """A fresh seed; torch's global generator is set to it.

    Set TANGENT_TEST_SEED to repeat a failing test.
    """
    import torch

    chosen = int(os.environ.get("TANGENT_TEST_SEED") or int.from_bytes(os.urandom(4), "little"))
    print(f"repeat with TANGENT_TEST_SEED={chosen}")  # pytest shows it with a failure
    torch.manual_seed(chosen)
    return chosen


@pytest.fixture
def rng(seed: int) -> np.random.Generator:
    """Numpy's generator at the test's seed."""
    return np.random.default_rng(seed)


@pytest.fixture
def small_files() -> Callable[[int], AbstractContextManager[None]]:
    """Within it no file may have more bytes: writing fails as on a disk that fills up."""

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


@pytest.fixture
def messages() -> Iterator[list[str]]:
    """Messages of the logger `tangent`, which does not propagate once a script set it up."""
    collected: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            collected.append(record.getMessage())

    logger, handler = logging.getLogger("tangent"), Collect()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield collected
    logger.removeHandler(handler)
    logger.setLevel(level)
