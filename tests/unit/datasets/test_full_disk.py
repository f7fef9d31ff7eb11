"""A disk that is too small is noticed before anything is written; nothing half-written stays."""

from __future__ import annotations

import resource
import shlex
import subprocess
import sys
from pathlib import Path

import mounts
import pytest

ROOT = Path(__file__).parents[3]
SIZES = ["--train-images", "300", "--test-images", "50"]


@pytest.fixture
def command(tmp_path) -> list[str]:
    """The command that prepares 350 demo images (about 1.1 MB), but for its output folder."""
    found = str(tmp_path / "found.json")
    script = [sys.executable, "-m", "scripts", "locate_dataset", "--task", "shapes", *SIZES]
    script += ["--sources", '{"source": "demo", "seed": 0}', "--output", found]
    subprocess.run(script, cwd=ROOT, check=True)
    command = [sys.executable, "-m", "scripts", "prepare_dataset", "--task", "shapes", *SIZES]
    command += ["--located", found, "--image-size", "32", "--order", "source"]
    return [*command, "--validation-fraction", "0.1", "--validation-maximum", "5000"]


def message(process: subprocess.CompletedProcess) -> str:
    """The error, which must be one line and the last."""
    assert process.returncode == 1, process.stderr
    *_, last = process.stderr.strip().splitlines()
    assert last.startswith("error: ") and "Traceback" not in process.stderr
    return last


@pytest.mark.skipif(not mounts.are_allowed(), reason="no file system can be mounted here")
def test_a_small_disk_is_noticed_before_writing(command, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    prepare = shlex.join([*command, "--output-dir", str(disk / "32px" / "shapes")])
    program = f"mount -t tmpfs -o size=512k none {disk}; {prepare}; status=$?; ls -A {disk}"
    done = subprocess.run(
        ["unshare", "-rm", "bash", "-c", f"{program}; exit $status"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    error = message(done)
    assert done.stdout == ""
    assert "the data set shapes needs 1,095,336 bytes" in error and "only 524,288 bytes" in error
    assert "paths.resources" in error


def test_a_write_that_fails_leaves_nothing(command, tmp_path):
    """The largest of the three files is refused by the system, as a disk that fills up would."""
    folder = tmp_path / "shapes"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))

    done = subprocess.run(
        [*command, "--output-dir", str(folder)],
        cwd=ROOT, capture_output=True, text=True, preexec_fn=limit,
    )  # fmt: skip
    assert "cannot write" in message(done) and "Free some space" in message(done)
    assert list(folder.iterdir()) == []
