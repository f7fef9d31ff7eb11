"""One real Slurm cluster for all tests here, and a small study on it through the shipped profile."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from slurm.cluster import CannotRun, Cluster
from small_study import configuration, ship_checkpoint
from workspace import Workspace

SITE = {
    "partitions": {"cpu": "cpu", "gpu": "gpu"},
    "seconds_between_checks": 5,
    "defaults": {"constraint": "steady"},
}
"""Everything that the profile is told about the test cluster."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs a cluster."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slurm)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    """The running cluster."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.start()
    except CannotRun as error:
        pytest.skip(f"NO SLURM HERE, nothing of the cluster was tested: {error}")
    yield cluster
    cluster.stop()


def on_slurm(folder: Path, **site: Any) -> Workspace:
    """The workflow in `folder`, to be run by the shipped profile with the site's keys."""
    workspace = Workspace(folder, options=("--profile", "slurm"))
    workspace.write("profiles/slurm/site.yaml", {**SITE, **site})
    return workspace


@pytest.fixture(scope="session")
def sources(tmp_path_factory) -> Workspace:
    """The workflow's sources with the small study's configuration; nothing has run."""
    workspace = Workspace.create(tmp_path_factory.mktemp("sources") / "study")
    workspace.write("config.yaml", configuration(ship_checkpoint(workspace.folder / "shipped")))
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
