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


ALONE = """
rule all:
    input: expand("made/{{i}}", i=range({jobs}))

rule made:
    output: "made/{{i}}"
    shell: "touch {{output}}"
"""
"""A workflow of as many jobs that do nothing: what Snakemake itself takes."""


REPETITIONS = 5


def run(setting: Setting) -> str:
    """One table: dry runs of the whole study."""
    rows = []
    for file, seeds, goal in STUDIES[: 1 if setting.quick else None]:
        with tempfile.TemporaryDirectory(dir=setting.folder) as folder:
            ours = (ROOT, "--configfile", file, overlay(seeds, folder))
            jobs, *_ = dry_run(*ours)
            Path(folder, "Snakefile").write_text(ALONE.format(jobs=jobs - 1), encoding="utf-8")
            times = [dry_run(*ours)[1:] + dry_run(Path(folder))[2:] for _ in range(REPETITIONS)]
        seconds, spent, alone = map(min, zip(*times, strict=True))
        row = {"study": file, "seeds": seeds, "jobs": jobs, "s": seconds, "CPU s": spent}
        row |= {"Snakemake alone": alone, "goal, s": goal, "met": is_met(spent, goal)}
        rows.append(row)
    note = (
        "`snakemake -n` of the target `all`, with nothing made. Snakemake plans in one thread, so "
        "its CPU seconds are the time on a machine that does nothing else, and the goal is judged "
        "by them. *Snakemake alone*: its CPU seconds for as many jobs that do nothing. The least "
        f"of {REPETITIONS} runs each, in turn, after one that keeps what modules say."
    )
    return table("Dry runs", rows, note)


def overlay(seeds: int, empty: str) -> Path:
    """A configuration of so many seeds that finds nothing made, in the folder `empty`."""
    paths = {"results": f"{empty}/results", "resources": f"{empty}/resources"}
    changes = {"seeds": list(range(seeds)), "paths": paths, "compute": {"device": "cpu"}}
    file = Path(empty, "overlay.json")
    file.write_text(json.dumps(changes), encoding="utf-8")
    return file


def dry_run(folder: Path, *arguments: str | Path) -> tuple[int, float, float]:
    """Plan the workflow in a folder: jobs, seconds, and CPU seconds.

    Raises:
        RuntimeError: Snakemake failed; the message is what it printed.
    """
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "-n", *arguments]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}  # compiled once, as for users
    before, started = os.times(), time.monotonic()
    done = subprocess.run(
        command,
        cwd=folder,
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
