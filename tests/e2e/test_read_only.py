"""Folders that cannot be written: one clear message, or no need to write there."""

from __future__ import annotations

import shutil

import mounts
import pytest
from kills import differences
from test_two_runs import clone

pytestmark = pytest.mark.skipif(
    not mounts.are_allowed(), reason="no file system can be mounted here, and root may write anyway"
)
ZERO_SHOT = "results/tiny/zero_shot/tiny-random/seed3/zero_shot.json"


def run(workspace, *read_only, target):
    """Snakemake's status and output with some folders read-only."""
    lines = [mounts.read_only(folder) for folder in read_only]
    prefix = (*mounts.ALONE, "; ".join([*lines, 'exec "$@"']), "bash")
    process = workspace.start(target, prefix=prefix)
    output, _ = process.communicate()
    return process.returncode, output


@pytest.mark.parametrize("name", ["results", "resources"])
def test_a_folder_that_must_be_written(name, study):
    made = {"results": ZERO_SHOT, "resources": "resources/datasets/32px/glyphs/dataset.json"}[name]
    shutil.rmtree((study.folder / made).parent)
    before = sorted((study.folder / name).rglob("*"))
    status, output = run(study, study.folder / name, target=made)
    assert status == 1
    *_, message = output.strip().splitlines()
    assert message.startswith(f"cannot write {name}/") and "Read-only file system" in message
    assert f"paths.{name}" in message and "Traceback" not in output
    assert sorted((study.folder / name).rglob("*")) == before


def test_finished_resources_that_nobody_may_write_serve_other_studies(study, results, tmp_path):
    """A group's shared folder: a fresh checkout of another user reads it."""
    resources = study.folder / "resources"
    mine = clone(study, tmp_path / "mine", {"resources": str(resources)})
    status, output = run(mine, resources, target=ZERO_SHOT)
    assert status == 0, output
    assert "prepare the images" not in output and "get the model" not in output
    found, expected = (
        folder / "zero_shot/tiny-random/seed3"
        for folder in (mine.folder / "results" / "tiny", results)
    )
    assert differences(found, expected) == ["zero_shot.json"]  # provenance has other paths
