"""A killed run is started again by the same command, and makes what an uninterrupted run makes."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import time
from pathlib import Path

import pytest
from kills import Run, differences, is_gone, processes_in, remains, run_with_kills
from workspace import ROOT, Workspace

FINETUNED = "results/tiny/finetuned/tiny/standard/shapes/seed3"


def chosen_seed() -> int:
    """Of the moments: another one every time, or that of a run to be repeated."""
    seed = int(os.environ.get("KILLS_SEED", secrets.randbits(32)))
    print(f"the kills' moments: KILLS_SEED={seed}")
    return seed


def kill_and_compare(workspace: Workspace, whole: Path, study: str, kills: int) -> None:
    """Run a study with kills, and compare it with the uninterrupted one in `whole`."""
    seed = chosen_seed()
    hits = []
    for hit in run_with_kills(workspace, workspace.folder / "results" / study, kills, seed):
        print(f"kill {len(hits) + 1}: {hit}", flush=True)
        hits.append(hit)
    assert len(hits) == kills and any("finetune" in hit for hit in hits)
    for folder in (f"results/{study}", "resources"):
        assert differences(workspace.folder / folder, whole / folder) == [], f"seed {seed}"
        assert remains(workspace.folder / folder) == []


@pytest.mark.nightly
def test_twenty_kills_of_the_demo(tmp_path):
    workspaces = [Workspace.create(tmp_path / name) for name in ("whole", "killed")]
    for workspace in workspaces:
        shutil.copytree(ROOT / "pretrained", workspace.folder / "pretrained")
    workspaces[0].snakemake()
    kill_and_compare(workspaces[1], workspaces[0].folder, "demo", 20)


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_snakemake_ends_its_jobs_and_loses_nothing(signal_number, study, finished):
    """SIGINT as Ctrl-C sends it, to the whole group; SIGTERM to Snakemake alone."""
    folder = study.folder / FINETUNED
    shutil.rmtree(folder)
    slow = "        self.done += steps\n        time.sleep(3)\n"
    study.replace("tangent/jobs/progress.py", "        self.done += steps\n", slow)
    target = f"{FINETUNED}/encoder.safetensors"
    run = Run(study.start(target))
    assert run.wait_until(lambda: (folder / "events").exists()), run.output
    time.sleep(1.5)
    jobs = processes_in(study.folder)
    status = run.end(signal_number, whole_group=signal_number == signal.SIGINT)
    assert status != 0
    study.replace("tangent/jobs/progress.py", slow, "        self.done += steps\n")
    study.snakemake(target)
    assert all(is_gone(pid) for pid in jobs)
    assert differences(folder, finished.folder / FINETUNED) == []
