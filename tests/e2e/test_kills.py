"""A killed run is started again by the same command, and makes what an uninterrupted run makes."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import time

import pytest
from kills import Run, differences, is_gone, processes_in, remains, run_with_kills
from workspace import ROOT, Workspace

# Programs that a shell starts in the background inherit that SIGINT is ignored.
HEARS_SIGNALS = ("env", "--default-signal=INT")
FINETUNED = "results/tiny/finetuned/tiny/standard/shapes/seed3"


@pytest.mark.nightly
def test_twenty_kills_of_the_demo(tmp_path):
    """At other moments every time, or at those of a run to be repeated."""
    whole, killed = (Workspace.create(tmp_path / name) for name in ("whole", "killed"))
    for workspace in (whole, killed):
        shutil.copytree(ROOT / "pretrained", workspace.folder / "pretrained")
    whole.snakemake()
    seed = int(os.environ.get("KILLS_SEED", secrets.randbits(32)))
    print(f"the kills' moments: KILLS_SEED={seed}")
    hits = []
    for hit in run_with_kills(killed, killed.folder / "results" / "demo", 20, seed):
        hits.append(hit)
        print(f"kill {len(hits)}: {hit}", flush=True)
    assert len(hits) == 20 and any("finetune" in hit for hit in hits)
    for folder in ("results/demo", "resources"):
        assert differences(killed.folder / folder, whole.folder / folder) == [], f"seed {seed}"
        assert remains(killed.folder / folder) == []


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_snakemake_ends_its_jobs_and_loses_nothing(signal_number, study, finished):
    """SIGINT as Ctrl-C sends it, to the whole group; SIGTERM to Snakemake alone."""
    folder = study.folder / FINETUNED
    shutil.rmtree(folder)
    slow = "        self.done += steps\n        time.sleep(3)\n"
    study.replace("tangent/jobs/progress.py", "        self.done += steps\n", slow)
    target = f"{FINETUNED}/encoder.safetensors"
    run = Run(study.start(target, prefix=HEARS_SIGNALS))
    assert run.wait_until(lambda: (folder / "events").exists()), run.output
    time.sleep(1.5)
    jobs = processes_in(study.folder)
    status = run.end(signal_number, whole_group=signal_number == signal.SIGINT)
    assert status != 0
    study.replace("tangent/jobs/progress.py", slow, "        self.done += steps\n")
    study.snakemake(target)
    assert all(is_gone(pid) for pid in jobs)
    assert differences(folder, finished.folder / FINETUNED) == []
