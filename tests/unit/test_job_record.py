"""The record that a job leaves of itself, through real scripts."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

from tangent.jobs import files, job_record

ROOT = Path(__file__).parents[2]


def resolved_config(folder: Path, log: Path, config: str = "{}", **environment: str):
    """Run a script that needs no data."""
    command = [sys.executable, "-m", "scripts", "resolved_config", "--config", config]
    command += ["--output", folder / "config.yaml", "--code", "c0de", "--log", log]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True
    )


def test_a_job_records_what_it_wrote_and_with_what(tmp_path):
    assert resolved_config(tmp_path, tmp_path / "logs" / "x.log", '{"a": 1}').returncode == 0
    record = job_record.read(tmp_path / "logs" / "x.json")
    path = str(tmp_path / "config.yaml")
    assert (record.step, record.code) == ("resolved_config", "c0de")
    assert record.settings == {"config": '{"a": 1}', "output": path}
    assert set(record.outputs) == {path}
    assert record.outputs[path].sha256 == files.sha256_file(path)
    assert record.inputs == {}


def test_a_record_says_when_the_job_was_over_and_on_which_processor(tmp_path):
    before = time.time()
    resolved_config(tmp_path, tmp_path / "x.log")
    content = json.loads((tmp_path / "x.json").read_text())
    assert before < content["finished"] < time.time()
    kernel = Path("/proc/cpuinfo")
    known = kernel.exists() and re.findall(r"model name\s*: (.*)", kernel.read_text())
    name = known[0] if known else platform.machine()
    assert content["provenance"]["device"] == f"cpu: {name}"


def test_a_failed_job_has_no_record_not_even_an_old_one(tmp_path):
    log = tmp_path / "x.log"
    resolved_config(tmp_path, log)
    assert job_record.record_path(log).exists()
    assert resolved_config(tmp_path, log, "not JSON").returncode != 0
    assert not job_record.record_path(log).exists()


def test_only_the_first_of_several_processes_records(tmp_path):
    log = tmp_path / "x.log"
    assert resolved_config(tmp_path, log, RANK="1").returncode == 0
    assert not job_record.record_path(log).exists()
    assert resolved_config(tmp_path, log, RANK="0").returncode == 0
    assert resolved_config(tmp_path, log, "not JSON", RANK="1").returncode != 0
    assert job_record.record_path(log).exists()


def test_a_record_that_cannot_be_written_costs_no_result(tmp_path):
    # The log's name is as long as a file system takes, that of the temporary file longer.
    log = tmp_path / f"{'x' * 240}.log"
    done = resolved_config(tmp_path, log)
    assert done.returncode == 0
    assert "`snakemake verify` will miss a record: cannot write" in done.stderr
    assert (tmp_path / "config.yaml").exists()


def test_a_record_that_cannot_be_removed_costs_no_result(tmp_path):
    (tmp_path / "x.json" / "in-the-way").mkdir(parents=True)
    done = resolved_config(tmp_path, tmp_path / "x.log")
    assert done.returncode == 0
    assert "`snakemake verify` will miss a record: cannot write" in done.stderr
    assert (tmp_path / "config.yaml").exists()


def test_written_files_are_those_still_there(tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom tangent.jobs import files\n"
        "folder = Path(sys.argv[1])\n"
        "for name in ('b', 'a', 'b', 'gone'):\n    files.write_text(folder / name, 'x')\n"
        "(folder / 'gone').unlink()\n"
        "(folder / 'events').write_text('y')\nfiles.note_written([folder / 'events'])\n"
        "print(*[Path(path).name for path in files.written()])\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, tmp_path], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == ["b", "a", "events"]
