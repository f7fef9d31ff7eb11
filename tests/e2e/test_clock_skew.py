"""Machines whose clocks differ: nothing runs again for ever, nothing finished is thrown away."""

from __future__ import annotations

import os
import shutil
import time

import pytest
from kills import differences

HOUR = 3600
ZERO_SHOT = "results/tiny/zero_shot/tiny-random/seed3/zero_shot.json"
ACCURACIES = "results/tiny/single_task/tiny-random"


@pytest.mark.parametrize("offset", [-HOUR, HOUR], ids=["behind", "ahead"])
def test_jobs_on_a_machine_with_another_clock(offset, study, results):
    """Every file that a job writes has the time of its machine."""
    study.replace(
        "tangent/jobs/files.py",
        "        os.replace(temporary, path)\n",
        "        os.replace(temporary, path)\n"
        f"        os.utime(path, (os.stat(path).st_mtime + {offset},) * 2)\n",
    )
    shutil.rmtree(study.folder / ACCURACIES)
    target = f"{ACCURACIES}/linear/shapes/seed3/accuracy.json"
    study.snakemake(target)
    assert "Nothing to be done" in study.snakemake(target)
    folder = study.folder / "results" / "tiny"
    name = "single_task/tiny-random/linear"
    assert differences(folder / name, results / name) == []


def test_inputs_of_a_machine_whose_clock_was_ahead(study, results):
    later = time.time() + HOUR
    for path in (study.folder / "resources").rglob("*.*"):
        os.utime(path, (later, later))
    (study.folder / ZERO_SHOT).unlink()
    output = study.snakemake(ZERO_SHOT)
    assert "clock skew" not in output
    assert "Nothing to be done" in study.snakemake(ZERO_SHOT)
    zero_shot = "zero_shot/tiny-random"
    assert differences(study.folder / "results/tiny" / zero_shot, results / zero_shot) == []
