"""Jobs as processes of their own, which tests stop once they have saved a state."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path


def start(script: str, arguments: Iterable[object]) -> subprocess.Popen[str]:
    """Start a script; what it says on standard error can be read."""
    return subprocess.Popen(
        [sys.executable, "-m", "scripts", script, *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def wait_for_a_state(process: subprocess.Popen[str], path: Path, at_most: float) -> None:
    """Wait until it has saved its first state, and then for a random time, in seconds."""
    deadline = time.monotonic() + 300
    while not path.exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline, "no state was saved"
        time.sleep(0.01)
    time.sleep(random.uniform(0, at_most))
