"""Time that Snakemake takes to plan studies of growing size, from nothing."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.harness import Setting, is_met, table
from bench.subjects import ROOT

STUDIES = (
    ("config.yaml", 1, 3.0),
    ("configs/paper.yaml", 1, None),
    ("configs/paper.yaml", 5, None),
)
"""The demo's and the paper's configuration, how many seeds, and the goal in CPU seconds."""


def run(setting: Setting) -> str:
    """One table: dry runs of the whole study."""
    rows = []
    for file, seeds, goal in STUDIES[: 1 if setting.quick else None]:
        with tempfile.TemporaryDirectory(dir=setting.folder) as folder:
            jobs, seconds, spent = dry_run(file, seeds, folder)
        row = {"study": file, "seeds": seeds, "jobs": jobs, "s": seconds, "CPU s": spent}
        row |= {"CPU ms per job": 1e3 * spent / jobs, "goal, s": goal, "met": is_met(spent, goal)}
        rows.append(row)
    note = (
        "`snakemake -n` of the target `all`, with nothing made. Snakemake plans in one thread, so "
        "its CPU seconds are the time on a machine that does nothing else, and the goal is judged "
        "by them."
    )
    return table("Dry runs", rows, note)


def dry_run(file: str, seeds: int, empty: str) -> tuple[int, float, float]:
    """Plan a configuration's study of so many seeds: jobs, seconds, and CPU seconds.

    Args:
        file, seeds: the configuration, and how many seeds it is given.
        empty: a folder in which nothing has been made yet.

    Raises:
        RuntimeError: Snakemake failed; the message is what it printed.
    """
    paths = {"results": f"{empty}/results", "resources": f"{empty}/resources"}
    changes = {"seeds": list(range(seeds)), "paths": paths, "compute": {"device": "cpu"}}
    overlay = Path(empty, "overlay.json")
    overlay.write_text(json.dumps(changes), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "-n", "--configfile", file]
    before, started = os.times(), time.monotonic()
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}  # compiled once, as for users
    done = subprocess.run(
        [*command, overlay],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    seconds, after = time.monotonic() - started, os.times()
    total = re.search(r"^total +(\d+)$", done.stdout, re.MULTILINE)
    if done.returncode or not total:
        raise RuntimeError(done.stdout)
    spent = after.children_user + after.children_system
    spent -= before.children_user + before.children_system
    return int(total[1]), seconds, spent
