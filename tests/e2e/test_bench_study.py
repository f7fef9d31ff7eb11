"""The bench's whole study, at its smallest."""

import os
import shutil
import subprocess
import sys

from small_study import SEED
from workspace import ROOT, Workspace


def test_the_study_runs_and_says_where_the_time_went(sources, tmp_path):
    shutil.copytree(sources.folder, tmp_path / "study")
    workspace = Workspace(tmp_path / "study")
    shutil.copytree(ROOT / "bench", workspace.folder / "bench")
    command = [sys.executable, "-m", "bench.study", "--base", "config.yaml", "--device", "cpu"]
    features = f"results/bench-12-1/features/tiny-bench/initial/shapes/seed{SEED}/test.safetensors"
    command += ["--cores", "2", "--images", "12", "--steps", "1", "--targets", features]
    done = subprocess.run(
        [*command, "--output", "study.md"],
        cwd=workspace.folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    text = (workspace.folder / "study.md").read_text(encoding="utf-8")
    assert text in done.stdout
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    jobs = {cells[1]: cells[2] for line in lines if (cells := [c.strip() for c in line.split("|")])}
    # Preparing data is not counted.
    assert jobs == {"stage": "jobs", "pretrained": "1", "features": "1"} | {
        "all, one after the other": "2",
        "the run": "",
    }
    assert (workspace.folder / features).exists()
