"""`snakemake verify` on the finished study: the first link that does not match, by its name."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from scripts.verify import Arguments, planned
from tangent.jobs import job_record
from tangent.jobs.verification import verify

RESULTS = "results/tiny"
ENCODER = f"{RESULTS}/finetuned/tiny/linear/shapes/seed3/encoder.safetensors"
SWEEP = f"{RESULTS}/alpha/tiny/linear/sum/seed3/sweep.csv"
ZERO_SHOT = f"{RESULTS}/zero_shot/tiny/seed3/zero_shot.json"
SPLIT = "resources/datasets/32px/counting/test.safetensors"


def contents(workspace):
    """Every file that is not Snakemake's or Python's own, with its time of change."""
    return {
        path: path.stat().st_mtime_ns
        for path in workspace.folder.rglob("*")
        if path.is_file() and not {".snakemake", "__pycache__"} & set(path.parts)
    }


def error(workspace, *arguments):
    """The message with which the verification fails."""
    output = workspace.snakemake("verify", *arguments, fails=True)
    (message,) = re.findall(r"^error: (.+)$", output, re.MULTILINE)
    assert "Traceback" not in output
    return message


def arguments(**given):
    """What the rule gives the script."""
    triggers = ["mtime", "params", "input", "code"]
    given = {"python": sys.executable, "results_dir": Path(RESULTS), **given}
    return Arguments(rerun_triggers=triggers, **given)


def flip_a_byte(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def test_a_finished_study_verifies_also_with_comments_in_the_code(study):
    study.replace(
        "tangent/arithmetic/linearized.py", "from __future__", "# A comment.\n\n\nfrom __future__"
    )
    before = contents(study)
    output = study.snakemake("verify")
    assert re.search(r"^\d+ results verified\. .*", output, re.MULTILINE)
    assert "Not there" not in output and "would run" not in output
    assert contents(study) == before


def test_an_edited_csv(study):
    study.replace(SWEEP, "0.5", "0.6")
    message = error(study)
    assert message.startswith(f"{SWEEP} is not what its job wrote: its SHA-256 is ")
    assert f"({RESULTS}/logs/alpha/tiny/linear/sum/seed3.json)" in message
    assert "delete it and run snakemake again" in message


def test_a_swapped_checkpoint(study):
    other = ENCODER.replace("linear", "standard")
    shutil.copy(study.folder / other, study.folder / ENCODER)
    message = error(study)
    assert message.startswith(f"{ENCODER} is not what its job wrote")
    assert f"It is a copy of {other}" in message


def test_a_changed_split(study):
    flip_a_byte(study.folder / SPLIT, -100)
    assert error(study).startswith(f"{SPLIT} is not what its job wrote")


def test_a_file_from_another_seed_with_its_record(study):
    # What a person does who has no time to run a second seed.
    for path in (ZERO_SHOT, f"{RESULTS}/logs/zero_shot/tiny/seed3.json"):
        copy = study.folder / path.replace("seed3", "seed4")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(study.folder / path, copy)
    study.write("seeds.yaml", {"seeds": [3, 4]})
    message = error(study, "--configfile", "seeds.yaml")
    copy = ZERO_SHOT.replace("seed3", "seed4")
    assert message.startswith(f"{copy} was copied with its record: ")
    assert f"seed4.json is that of {ZERO_SHOT}" in message


def test_another_value_in_the_configuration(study):
    study.write("more.yaml", {"finetuning": {"epochs": {"counting": 2}}})
    message = error(study, "--configfile", "more.yaml")
    first = f"{RESULTS}/finetuned/tiny/linear/counting/seed3/encoder.safetensors"
    assert message.startswith(first)
    assert "with other settings than today's configuration gives: epochs 1, now 2" in message


def test_other_code_of_a_module(study):
    study.replace("tangent/training/loop.py", "import math", "EDITED = 1\nimport math")
    message = error(study)
    assert message.startswith(f"{RESULTS}/finetuned/tiny")
    assert "was made by other code of finetune" in message
    assert "(5 more results do not match either: " in message


def test_what_is_not_made_is_told_and_is_no_error(study):
    deleted = study.folder / RESULTS / "report" / "index.html"
    deleted.unlink()
    output = study.snakemake("verify")
    assert f"Not there, so not verified: 1 result ({RESULTS}/report/index.html)." in output
    assert "snakemake would run 1 job yet (write the report)." in output


def test_a_study_without_results_has_nothing_to_verify(sources):
    assert error(sources).startswith("this study has no results to verify yet")


def test_what_a_killed_job_left_is_named(study):
    save, pdf = "tangent/report/figures/catalogue.py", "    with files.atomic_path(pdf)"
    edited = f"    import time\n\n    time.sleep(60)\n{pdf}"
    study.replace(save, pdf, edited)
    folder = study.folder / RESULTS
    record, svg = folder / "logs" / "figures" / "figure6.json", folder / "figures" / "figure6.svg"
    live = study.start("figure6")
    while record.exists() or not svg.exists():
        assert live.poll() is None, live.communicate()[0]
        time.sleep(0.05)
    os.killpg(live.pid, signal.SIGKILL)
    live.communicate()
    study.replace(save, edited, pdf)
    message = error(study)
    assert message.startswith(
        f"{RESULTS}/figures/figure6.svg has no record of the job that made it"
    )
    assert "by a job that did not finish" in message


@pytest.fixture(scope="module")
def plan(finished):
    """All jobs of the finished study."""
    before = Path.cwd()
    os.chdir(finished.folder)
    try:
        jobs, pending = planned(arguments())
    finally:
        os.chdir(before)
    assert pending == []
    return jobs


@pytest.fixture
def here(study, monkeypatch):
    """The folder of a copy of the finished study, to be in and to edit."""
    monkeypatch.chdir(study.folder)
    return study.folder


def test_any_byte_of_any_result_counts(plan, here):
    assert verify(plan, Path(RESULTS)).findings == []
    chosen = random.Random()
    for job in plan:
        path = Path(chosen.choice(job.files()))
        kept = path.read_bytes()
        flip_a_byte(path, chosen.randrange(len(kept)))
        found = verify(plan, Path(RESULTS)).findings
        assert [finding.path for finding in found] == [str(path)]
        path.write_bytes(kept)


def test_every_result_needs_its_record(plan, here):
    for job in random.Random().sample(plan, 5):
        kept = job.record.read_bytes()
        job.record.unlink()
        (finding,) = verify(plan, Path(RESULTS)).findings
        assert finding.path in job.files() and "has no record" in finding.problem
        job.record.write_bytes(kept)


def test_records_name_all_that_the_rules_declare(plan, here):
    for job in plan:
        record = job_record.read(job.record)
        assert set(record.outputs) == set(job.files())
        assert set(record.inputs) == set(job.inputs), job.record


def test_a_model_made_again_makes_what_was_computed_from_it_stale(plan, here):
    record = Path("resources/logs/pretrained/tiny.json")
    path = Path("resources/pretrained/tiny/encoder.safetensors")
    flip_a_byte(path, -1)
    content = json.loads(record.read_text())
    content["outputs"][str(path)]["sha256"] = job_record.files.sha256_file(path)
    record.write_text(json.dumps(content))
    found = verify(plan, Path(RESULTS)).findings
    stale = {job.record for job in plan if str(path) in job.inputs}
    assert len(found) == len(stale) > 10
    assert all(f"was computed from another {path}" in finding.problem for finding in found)


@pytest.mark.parametrize("folder", [".", "{here}"])
def test_folders_may_be_written_in_another_way(folder, plan, here):
    folder = folder.format(here=here)
    paths = {"results": f"{folder}/results", "resources": f"{folder}/resources"}
    jobs, _ = planned(arguments(config=json.dumps({"paths": paths})))
    found = verify(jobs, Path(RESULTS))
    assert (found.findings, found.links) == ([], verify(plan, Path(RESULTS)).links)
    (here / ENCODER).write_bytes(b"")
    assert [finding.path for finding in verify(jobs, Path(RESULTS)).findings] == [ENCODER]
