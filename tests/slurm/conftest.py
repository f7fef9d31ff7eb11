"""One real Slurm cluster for all tests here, and the sources of a small study."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import CannotRun, Cluster
from small_study import configuration, ship_checkpoint
from workspace import Workspace


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


@pytest.fixture(scope="session")
def sources(tmp_path_factory) -> Workspace:
    """The workflow's sources with the small study's configuration; nothing has run."""
    workspace = Workspace.create(tmp_path_factory.mktemp("sources") / "study")
    workspace.write("config.yaml", configuration(ship_checkpoint(workspace.folder / "shipped")))
    return workspace
