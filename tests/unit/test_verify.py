"""Verification of a small workflow: whatever is changed is found, and the root of it is named."""

from __future__ import annotations

import json
import os
import random
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tangent.jobs import files, provenance
from tangent.jobs.differences import first_difference
from tangent.jobs.verification import (
    PlannedJob,
    failure,
    in_order,
    summary,
    verify,
)


@dataclass
class Workflow:
    """Jobs that have run: their files and records are written as jobs write them."""

    random: random.Random
    jobs: dict[str, PlannedJob] = field(default_factory=dict)

    def job(self, name: str, inputs: list[str], outputs: list[str], **settings: Any) -> None:
        """Plan a job and run it."""
        record = Path("logs", f"{name}.json")
        self.jobs[name] = PlannedJob(record, name, settings, f"code of {name}", inputs, outputs)
        for output in outputs:
            if output.endswith(".safetensors"):
                self.split(output)
            elif "." in output:
                self.write(output)
            else:
                self.write(f"{output}/one.bin")
                self.write(f"{output}/two.bin")
        self.record(name)

    def write(self, path: str) -> None:
        """A file of random bytes."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(self.random.randbytes(self.random.randint(1, 300)))

    def split(self, path: str) -> None:
        """A file that states the digest of what it was made from."""
        pixels = {"images": np.frombuffer(self.random.randbytes(64), np.uint8)}
        files.write_safetensors(path, pixels, {"content_sha256": self.random.randbytes(32).hex()})

    def record(self, name: str) -> None:
        """The record of a job whose files are there."""
        job = self.jobs[name]
        outputs = {}
        for path in job.files():
            outputs[path] = {"sha256": files.sha256_file(path)}
            if path.endswith(".safetensors"):
                outputs[path]["digest"] = provenance.digest(path)
        block = {"inputs": {path: provenance.digest(path) for path in job.inputs}}
        block |= {"settings": job.settings, "code": job.code}
        files.write_json(job.record, {"step": job.step, "outputs": outputs, "provenance": block})

    def plan(self) -> list[PlannedJob]:
        """All jobs, in any order."""
        return self.random.sample(list(self.jobs.values()), len(self.jobs))

    def verify(self):
        """Verify them."""
        return verify(self.plan(), Path("."), threads=2)

    def first(self) -> str:
        """The file that the first finding is about."""
        return self.verify().findings[0].path

    def paths(self) -> list[str]:
        """All files that jobs have written."""
        return [path for job in self.jobs.values() for path in job.files()]


@pytest.fixture(params=range(3))
def workflow(request, tmp_path, monkeypatch) -> Workflow:
    """Data and a model go into two seeds' trainings; tables read results and `config.yaml`."""
    monkeypatch.chdir(tmp_path)
    made = Workflow(random.Random(request.param))
    made.write("shipped/model.bin")
    made.job("model", ["shipped/model.bin"], ["model/encoder.bin"], source="shipped")
    made.job("data", [], ["data/train.safetensors", "data/about.json"], images=9)
    for seed in (0, 1):
        made.job(
            f"training{seed}",
            ["model/encoder.bin", "data/train.safetensors"],
            [f"trained/seed{seed}/encoder.bin", f"trained/seed{seed}/events"],
            seed=seed,
            rate=1e-3,
        )
        made.job(
            f"result{seed}",
            [f"trained/seed{seed}/encoder.bin", "model/encoder.bin"],
            [f"result/seed{seed}/sweep.csv", f"result/seed{seed}/alpha.json"],
            seed=seed,
            alphas=[0, 1, 3],
        )
    made.job("config", [], ["config.yaml"], config='{"rate": {"standard": 0.001}}')
    tables = [f"result/seed{seed}/sweep.csv" for seed in (0, 1)]
    made.job("tables", [*tables, "config.yaml"], ["tables/alpha.csv"])
    made.job("report", ["tables/alpha.csv"], ["report/index.html"])
    return made


def flip_a_byte(path: str, random: random.Random) -> None:
    content = bytearray(Path(path).read_bytes())
    content[random.randrange(len(content))] ^= random.randrange(1, 256)
    Path(path).write_bytes(content)


def test_an_untouched_study_has_no_finding(workflow):
    found = workflow.verify()
    assert found.findings == found.missing == found.gone == []
    assert found.results == len(workflow.paths())
    assert found.links == sum(len(job.inputs) for job in workflow.jobs.values())
    shipped = os.path.getsize("shipped/model.bin")
    assert found.size == shipped + sum(map(os.path.getsize, workflow.paths()))
    assert summary(found).startswith(f"{found.results} results verified.")
    assert "\n" not in summary(found)


def test_any_byte_of_any_file_counts(workflow):
    for path in workflow.paths():
        kept = Path(path).read_bytes()
        flip_a_byte(path, workflow.random)
        found = workflow.verify().findings
        assert [finding.path for finding in found] == [path]
        assert "is not what its job wrote" in failure(workflow.verify())
        Path(path).write_bytes(kept)
    assert workflow.verify().findings == []


def test_of_several_changes_the_one_upstream_is_named(workflow):
    order = [path for job in in_order(workflow.plan()) for path in job.files()]
    changed = workflow.random.sample(workflow.paths(), 4)
    for path in changed:
        flip_a_byte(path, workflow.random)
    assert workflow.first() == min(changed, key=order.index)
    assert "(3 more results do not match either: " in failure(workflow.verify())


def test_jobs_come_after_what_they_need_and_otherwise_late():
    chosen = random.Random()
    for _ in range(50):
        jobs = []
        for number in range(chosen.randint(1, 12)):
            needed = chosen.sample(range(number), chosen.randint(0, number))
            inputs = [f"{other}.bin" for other in needed]
            jobs.append(PlannedJob(Path(f"{number}.json"), "", {}, "", inputs, [f"{number}.bin"]))
        made: set[str] = set()
        for job in in_order(chosen.sample(jobs, len(jobs))):
            assert made.issuperset(job.inputs)
            made.update(job.outputs)


def test_the_configuration_comes_after_the_results_that_it_does_not_make(workflow):
    steps = [job.step for job in in_order(workflow.plan())]
    assert steps.index("config") > steps.index("result1")
    assert steps[-2:] == ["tables", "report"]


def test_another_seeds_file_is_named_with_its_origin(workflow):
    shutil.copy("result/seed1/sweep.csv", "result/seed0/sweep.csv")
    (finding,) = workflow.verify().findings
    assert finding.path == "result/seed0/sweep.csv"
    assert "It is a copy of result/seed1/sweep.csv" in finding.problem


def test_another_seeds_files_with_their_record_are_named(workflow):
    for name in ("sweep.csv", "alpha.json"):
        shutil.copy(f"result/seed1/{name}", f"result/seed0/{name}")
    shutil.copy("logs/result1.json", "logs/result0.json")
    message = failure(workflow.verify())
    assert message.startswith("result/seed0/sweep.csv was copied with its record: ")
    assert "logs/result0.json is that of result/seed1/sweep.csv" in message


def test_another_seeds_record_with_the_paths_corrected_still_says_its_seed(workflow):
    for name in ("sweep.csv", "alpha.json"):
        shutil.copy(f"result/seed1/{name}", f"result/seed0/{name}")
    forged = Path("logs/result1.json").read_text().replace("result/seed1/", "result/seed0/")
    Path("logs/result0.json").write_text(forged.replace('"result1"', '"result0"'))
    found = workflow.verify().findings
    assert found[0].path == "result/seed0/sweep.csv"
    assert "seed 1, now 0" in found[0].problem
    # The table was computed from what was there before.
    assert found[-1].path == "tables/alpha.csv"
    assert "was computed from another result/seed0/sweep.csv" in found[-1].problem


def test_a_changed_setting_is_named_with_both_values(workflow):
    job = workflow.jobs["training1"]
    workflow.jobs["training1"] = replace(job, settings={"seed": 1, "rate": 2e-3})
    now = '{"rate": {"standard": 0.002}}'
    workflow.jobs["config"] = replace(workflow.jobs["config"], settings={"config": now})
    first, second = workflow.verify().findings
    assert first.path == "trained/seed1/encoder.bin"
    assert "gives: rate 0.001, now 0.002" in first.problem
    assert second.path == "config.yaml"
    assert "gives: config.rate.standard 0.001, now 0.002" in second.problem


def test_changed_code_is_named(workflow):
    workflow.jobs["tables"] = replace(workflow.jobs["tables"], code="other code")
    (finding,) = workflow.verify().findings
    assert finding.path == "tables/alpha.csv"
    assert "was made by other code of tables" in finding.problem


def test_what_was_made_again_since_is_named(workflow):
    workflow.job("data", [], ["data/train.safetensors", "data/about.json"], images=9)
    found = workflow.verify().findings
    assert {finding.path for finding in found} == {
        "trained/seed0/encoder.bin", "trained/seed1/encoder.bin",
    }  # fmt: skip
    assert "was computed from another data/train.safetensors" in found[0].problem


def test_a_replaced_file_from_outside_is_named_and_a_removed_one_is_told(workflow):
    flip_a_byte("shipped/model.bin", workflow.random)
    (finding,) = workflow.verify().findings
    assert finding.path == "model/encoder.bin"
    assert "was computed from another shipped/model.bin" in finding.problem
    Path("shipped/model.bin").unlink()
    found = workflow.verify()
    assert found.findings == [] and found.gone == ["shipped/model.bin"]
    assert "1 input from outside of the study (shipped/model.bin)" in summary(found)


def test_a_result_without_a_record_is_named(workflow):
    Path("logs/training0.json").unlink()
    (finding,) = workflow.verify().findings
    assert finding.path == "trained/seed0/encoder.bin"
    assert "has no record of the job that made it (logs/training0.json)" in finding.problem


def test_a_damaged_record_is_named(workflow):
    record = Path("logs/training0.json")
    whole = record.read_text()
    damaged = [whole[: workflow.random.randrange(len(whole) - 2)], "[]", "{}", "null"]
    damaged += [whole.replace(f'"{key}"', '"other"') for key in ("outputs", "inputs", "code")]
    damaged.append(json.dumps({**json.loads(whole), "outputs": {"a": "b"}}))
    damaged.append(json.dumps({**json.loads(whole), "outputs": {"": {"sha256": ""}}}))
    for content in damaged:
        record.write_text(content)
        assert workflow.first() == "trained/seed0/encoder.bin", content


def test_missing_results_are_told_and_are_no_finding(workflow):
    for path in ("data/train.safetensors", "data/about.json", "result/seed1/sweep.csv"):
        Path(path).unlink()
    found = workflow.verify()
    assert found.findings == []
    assert set(found.missing) == {
        "data/train.safetensors", "data/about.json", "result/seed1/sweep.csv",
    }  # fmt: skip
    # Not "from outside of the study", although nothing is known of them any more.
    Path("logs/data.json").unlink()
    assert workflow.verify() == replace(found, links=found.links - 2)
    text = summary(found, ["a job"])
    assert "Not there, so not verified: 3 results (data/" in text
    assert "snakemake would run 1 job yet (a job)." in text


def test_a_file_that_no_job_wrote_is_named(workflow):
    for path, remedy in {
        "trained/seed0/events/three.bin": "delete it and run",  # among a job's files
        "tables/more.csv": "move it",
        "result/seed2/sweep.csv": "move it",
        "notes.txt": "move it",
    }.items():
        workflow.write(path)
        (finding,) = workflow.verify().findings
        assert finding.path == path
        assert finding.remedy.startswith(remedy)
        Path(path).unlink()
    for path in (".hidden", ".snakemake/x", "benchmarks/x.tsv", "logs/x.log", "x/state.pt"):
        workflow.write(path)
    assert workflow.verify().findings == []


def test_what_an_older_configuration_made_is_no_finding(workflow):
    workflow.job("older", [], ["result/seed2/sweep.csv"])
    del workflow.jobs["older"]
    assert workflow.verify().findings == []
    Path("logs/older.json").write_text("{}")
    assert workflow.first() == "result/seed2/sweep.csv"


def test_a_record_without_one_of_its_inputs_is_named(workflow):
    names = [name for name, job in workflow.jobs.items() if job.inputs]
    for name in names:
        job = workflow.jobs[name]
        whole, left_out = job.record.read_text(), workflow.random.choice(job.inputs)
        content = json.loads(whole)
        del content["provenance"]["inputs"][left_out]
        job.record.write_text(json.dumps(content))
        finding, *_ = workflow.verify().findings
        assert finding.path == job.files()[0]
        assert f"was computed from {left_out}, of which its record" in finding.problem
        job.record.write_text(whole)


@pytest.mark.parametrize("kind", ["empty folder", "link to nothing", "full folder"])
def test_a_result_replaced_by_something_else_is_named(workflow, kind):
    path = Path(workflow.random.choice([path for path in workflow.paths() if "events" not in path]))
    path.unlink()
    if kind == "link to nothing":
        path.symlink_to("nothing")
    else:
        path.mkdir()
    if kind == "full folder":
        (path / "one.bin").write_text("1")
    paths = [finding.path for finding in workflow.verify().findings]
    assert paths == ([f"{path}/one.bin"] if kind == "full folder" else []) + [str(path)]


def test_a_file_that_is_gone_from_a_folder_of_a_job_is_named(workflow):
    Path("trained/seed0/events/two.bin").unlink()
    assert workflow.first() == "trained/seed0/events/two.bin"
    Path("trained/seed0/events/one.bin").unlink()
    assert len(workflow.verify().findings) == 2
    Path("trained/seed0/events").rmdir()
    found = workflow.verify()
    assert found.findings == [] and found.missing == ["trained/seed0/events"]


def test_a_split_counts_with_all_its_bytes_and_with_its_content_for_what_reads_it(workflow):
    # The same images, stored in another way and recorded: nothing behind it is stale.
    tensors, metadata = files.read_safetensors("data/train.safetensors", "np")
    files.write_safetensors("data/train.safetensors", {"other": tensors["images"]}, metadata)
    assert workflow.first() == "data/train.safetensors"
    workflow.record("data")
    assert workflow.verify().findings == []


@pytest.mark.parametrize(
    ("before", "now", "text"),
    [
        ({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1}, None),
        ({"a": 1}, {"a": 1, "b": 2}, "b not given, now 2"),
        ({"a": 1, "b": 2}, {"a": 1}, "b 2, now not given"),
        ({"alphas": [0, 1, 3]}, {"alphas": [0, 1, 5]}, "alphas 0 1 3, now 0 1 5"),
        ({"s": ['{"seed":0}']}, {"s": ['{"seed":1}']}, "s.0.seed 0, now 1"),
        ({"s": ['{"seed":0}']}, {"s": ['{"seed": 0}']}, None),
        ({"c": '{"x":{"y":[1]}}'}, {"c": '{"x":{"y":[2]}}'}, "c.x.y 1, now 2"),
        ({"c": "{broken"}, {"c": "{}"}, "c {broken, now {}"),
        ({"f": {"a": "x/y"}}, {"f": {"a": f"{os.getcwd()}/x/y"}}, None),
        ({"f": "x/y"}, {"f": "../x/y"}, "f x/y, now ../x/y"),
        ({"c": '{"x": "a//b"}'}, {"c": '{"x": "//a"}'}, "c.x a//b, now //a"),
    ],
)
def test_the_first_difference(before, now, text):
    assert first_difference(before, now) == text
