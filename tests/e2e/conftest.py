"""The whole study at its smallest: the real Snakemake runs it once, and the tests here share it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from small_study import configuration, ship_checkpoint
from workspace import Workspace


@pytest.fixture(scope="session")
def sources(tmp_path_factory) -> Workspace:
    """The workflow's sources with the small study's configuration; nothing has run."""
    workspace = Workspace.create(tmp_path_factory.mktemp("sources") / "study")
    workspace.write("config.yaml", configuration(ship_checkpoint(workspace.folder / "shipped")))
    return workspace


@pytest.fixture(scope="session")
def finished(sources, tmp_path_factory) -> Workspace:
    """The finished study, which pytest's processes make once for all. Tests must not change it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished"
    workspace, made = Workspace(folder), folder.with_suffix(".made")
    with FileLock(f"{folder}.lock"):
        if not made.exists():
            shutil.copytree(sources.folder, folder, dirs_exist_ok=True)
            workspace.snakemake()  # as `make demo` runs it, every script
            made.touch()
    return workspace


@pytest.fixture
def study(finished, tmp_path) -> Workspace:
    """A copy of the finished study, to edit."""
    shutil.copytree(finished.folder, tmp_path / "study", symlinks=True)
    return Workspace(tmp_path / "study")


@pytest.fixture(scope="session")
def results(finished) -> Path:
    """The finished study's results."""
    return finished.folder / "results" / "tiny"


def read_json(path: Path) -> Any:
    """A JSON file's content."""
    return json.loads(path.read_text(encoding="utf-8"))
