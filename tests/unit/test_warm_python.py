"""The warm interpreter of `make demo`: what runs in it cannot tell it from an ordinary one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

# Who starts the tests in the background may ignore the signal, which children inherit.
WARM = [
    "env",
    "--default-signal=INT",
    sys.executable,
    str(Path(__file__).parents[2] / "envs" / "warm_python.py"),
    "-m",
]
PROBE = """
import json, os, sys
print(json.dumps([sys.argv[1:], os.getcwd(), os.environ["PROBE"], sys.stdin.read(), sys.path[0]]))
print("to standard error", file=sys.stderr)
loaded = [name for name in sys.modules if name.split(".")[0] in ("tangent", "scripts")]
sys.exit(len(sys.argv) + len(loaded))
"""
WAITING = """
import time
try:
    print("waiting", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    raise SystemExit(7)
"""


@pytest.fixture
def start(tmp_path):
    """Starts a module in a folder of its own, in the warm interpreter or an ordinary one."""

    def begin(code: str, command: list[str], *arguments: str) -> subprocess.Popen[str]:
        (tmp_path / "probe.py").write_text(code)
        return subprocess.Popen(
            [*command, "probe", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PROBE": "a value"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return begin


def test_arguments_streams_environment_and_status_are_the_callers(start):
    results = []
    for command in (WARM, [sys.executable, "-m"]):
        process = start(PROBE, command, "--flag", "a value with 'quotes'")
        results.append((*process.communicate("some input"), process.returncode))
    assert results[0] == results[1]
    assert results[0][2] == 3


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="elsewhere it is an ordinary one")
def test_an_interrupt_reaches_what_runs_and_its_status_comes_back(start):
    process = start(WAITING, WARM)
    assert process.stdout.readline() == "waiting\n"
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C in a terminal does
    output, _ = process.communicate(timeout=30)
    assert (output, process.returncode) == ("interrupted\n", 7)
