"""A disk that fills up in the middle of a run: one message per job, nothing finished is lost."""

from __future__ import annotations

import shutil

import mounts
import pytest
from kills import differences, remains
from workspace import Workspace

pytestmark = pytest.mark.skipif(
    not mounts.are_allowed(), reason="no file system can be mounted here"
)
FOLDER = "results/tiny/finetuned/tiny/linear/shapes/seed3"
TARGETS = (
    f"{FOLDER}/encoder.safetensors",
    "results/tiny/initial/tiny-random/seed3/encoder.safetensors",
)
# With the results on a disk of their own, which is full but for some kB at first.
SCRIPT = """
cp -a {disk} {disk}.whole
mount -t tmpfs -o size=64m none {disk}
cp -a {disk}.whole/. {disk}
free=$(df --output=avail -B1 {disk} | tail -1)
head -c $((free - {left})) /dev/zero > {disk}/filler
set +e
"$@"
echo "first status: $?"
cp -a {disk} {disk}.first
rm {disk}/filler {disk}.first/filler
"$@"
status=$?
cp -a {disk} {disk}.second
exit $status
"""


def run(study: Workspace, disk: str, left: int) -> tuple[str, str]:
    """What Snakemake prints with a full disk, and then with space, when it must end well."""
    prefix = (*mounts.ALONE, SCRIPT.format(disk=disk, left=left), "bash")
    process = study.start("--keep-going", *TARGETS, prefix=prefix)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    first, _, second = output.partition("first status: ")
    return first, second


@pytest.mark.parametrize("left", [100_000, 0])
def test_results_on_a_full_disk(left, study, results):
    shutil.rmtree(study.folder / FOLDER)
    (study.folder / TARGETS[1]).unlink()
    first, second = run(study, "results", left)
    assert second[0] == "1", first
    errors = [line for line in first.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2, first
    assert all("cannot write results/tiny/" in error and "paths.results" in error
        for error in errors)  # fmt: skip
    assert "No space left on device" in first and "Traceback" not in first
    assert "Logging error" not in first and "bug" not in first
    lost = differences(study.folder / "results.first/tiny", results)
    assert all(f"results/tiny/{name}".startswith((FOLDER, TARGETS[1])) for name in lost), lost
    assert differences(study.folder / "results.second/tiny", results) == []
    assert remains(study.folder / "results.second") == []


def test_snakemakes_own_folder_on_a_full_disk(study, results):
    shutil.rmtree(study.folder / FOLDER)
    (study.folder / TARGETS[1]).unlink()
    first, _ = run(study, ".snakemake", 0)
    assert "No space left on device" in first  # Snakemake complains but goes on
    assert differences(study.folder / "results/tiny", results) == []
