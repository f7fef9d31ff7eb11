"""Studies that run on the test cluster through the shipped profile, and what Slurm says of them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from workspace import Workspace

SITE = {
    "partitions": {"cpu": "cpu", "gpu": "gpu"},
    "seconds_between_checks": 5,
    "defaults": {"constraint": "steady"},
}
"""Everything that the profile is told about the test cluster."""


def on_slurm(folder: Path, *options: str, **site: Any) -> Workspace:
    """The workflow in `folder`, to be run by the shipped profile with the site's keys."""
    workspace = Workspace(folder, options=("--profile", "slurm", *options))
    workspace.write("profiles/slurm/site.yaml", {**SITE, **site})
    return workspace


def jobs_of(folder: Path) -> dict[str, dict[str, str]]:
    """What `scontrol show job` says of each job that was submitted from `folder`, by job id."""
    answer = subprocess.run(
        ["scontrol", "show", "job", "--oneliner"], capture_output=True, text=True, check=True
    )
    jobs = {}
    for line in answer.stdout.splitlines():
        fields = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if fields.get("WorkDir") == str(folder):
            jobs[fields["JobId"]] = fields
    return jobs
