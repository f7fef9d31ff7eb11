"""What a report says of jobs, weights and data: time, memory, provenance."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from study_records import write_record

from tangent.jobs.errors import UserError
from tangent.jobs.files import write_json, write_safetensors, write_text
from tangent.report.build import build_report, read_configuration
from tangent.report.inventory import (
    jobs_of,
    provenance,
    published_weights,
    usage,
    wall_clock,
)


def test_usage_adds_benchmarks_up(page_study):
    jobs = jobs_of(read_configuration(page_study / "config.yaml"), page_study)
    steps, modes = usage(jobs, page_study / "benchmarks")
    assert list(steps) == ["finetuned", "single_task", "addition"]
    assert (steps["finetuned"]["jobs"], steps["finetuned"]["longest"]) == (8, 42.5)
    assert steps["finetuned"]["seconds"] == pytest.approx(8 * 42.5)
    assert steps["finetuned"]["memory"] == 812.5
    assert steps["addition"]["memory"] is None  # Snakemake's "-"
    assert modes["standard"]["addition"]["seconds"] == pytest.approx(0.4)
    assert not modes["linear"] and "finetuned" not in modes["standard"]
    assert usage(jobs, page_study / "nothing") == (
        {},
        {"standard": {}, "posthoc": {}, "linear": {}},
    )
    assert usage({}, page_study / "benchmarks")[0] == {}


def test_wall_clock_is_the_time_in_which_any_job_ran(tmp_path):
    """0–10 and 4–12 overlap, 30–35 comes after a pause, 31–32 lies in it: 12 + 5 seconds."""
    finished = {"a": 10.0, "b": 12.0, "c": 35.0, "d": 32.0, "unmeasured": 99.0}
    for job, seconds in (("a", 10), ("b", 8), ("c", 5), ("d", 1)):
        write_text(tmp_path / f"{job}.tsv", f"s\tmax_rss\n{seconds}\t1.0\n")
    write_text(tmp_path / "unmeasured.tsv", "s\tmax_rss\nNA\tNA\n")
    assert wall_clock(finished, tmp_path) == pytest.approx(17)
    assert wall_clock({}, tmp_path) is None
    assert wall_clock(finished, tmp_path / "nothing") is None


CHAIN = {
    "pretraining/demo-vit": [],
    "datasets/32px/shapes": [],
    "finetuned/demo-vit/linear/shapes/seed0": ["pretraining/demo-vit", "datasets/32px/shapes"],
    "learning_rates/demo-vit/linear/0.1/shapes/seed0/accuracy": ["datasets/32px/shapes"],
    "products/demo-vit/linear/shapes/seed0": ["finetuned/demo-vit/linear/shapes/seed0"],
    "addition/demo-vit/linear/sum/seed0": ["products/demo-vit/linear/shapes/seed0"],
    "merged_products/demo-vit/linear/ties/shapes/seed0": ["datasets/32px/shapes"],
    "addition/demo-vit/linear/ties/seed0": ["merged_products/demo-vit/linear/ties/shapes/seed0"],
    "tables/addition": [
        "addition/demo-vit/linear/sum/seed0", "addition/demo-vit/linear/ties/seed0"
    ],
    "tables/learning_rates": ["learning_rates/demo-vit/linear/0.1/shapes/seed0/accuracy"],
    "tables/table1": ["tables/addition"],
    "tables/claims": ["tables/addition", "config"],
    "figures/figure2": ["tables/addition"],
    "config": [],
}  # fmt: skip
OTHERS = {
    "finetuned/demo-vit/linear/shapes/seed2": ["pretraining/demo-vit"],
    "addition/older/linear/sum/seed0": ["finetuned/demo-vit/linear/shapes/seed2"],
    "tables/analogies": ["addition/older/linear/sum/seed0"],
    "report": ["tables/addition"],
}
"""Name of each job -> those whose files it read: of the study, and of an older configuration."""


def test_jobs_are_those_that_the_tables_and_figures_come_from(page_study, tmp_path, monkeypatch):
    """Files and records that other seeds, models and tables left behind do not count."""
    config = read_configuration(page_study / "config.yaml")
    nothing = config.combinations.model_copy(update={"models": []})
    paths = config.paths.model_copy(update={"resources": "shared"})
    config = config.model_copy(update={"combinations": nothing, "paths": paths})
    monkeypatch.chdir(tmp_path)
    study = Path("results/demo")
    for number, (name, read) in enumerate((CHAIN | OTHERS).items()):
        shared = name.startswith(("pretraining", "datasets"))
        logs = Path("shared/logs") if shared else study / "logs"
        # A path may be written in more than one way.
        write_record(logs, name, [tmp_path / one for one in read], [f"./{name}"])
        write_text(study / f"benchmarks/{name}.tsv", f"s\tmax_rss\n{2**number}\t1\n")
    jobs = jobs_of(config, study)
    assert set(jobs) == set(CHAIN)
    assert list(jobs)[:3] == [
        "pretraining/demo-vit", "datasets/32px/shapes",
        "learning_rates/demo-vit/linear/0.1/shapes/seed0/accuracy",
    ]  # fmt: skip
    steps, modes = usage(jobs, study / "benchmarks")
    assert sum(step["seconds"] for step in steps.values()) == 2 ** len(CHAIN) - 1
    assert steps["tables"]["jobs"] == 4 and list(steps)[-2:] == ["figures", "config"]
    editing = {"products", "merged_products", "addition"}
    assert set(modes["linear"]) == editing and not modes["standard"]
    assert set(provenance_of(config, jobs, page_study).code) == set(steps)
    write_text(study / "logs/addition/other/linear/seed0.json", "[]")
    with pytest.raises(UserError, match="is not the record of a job"):
        jobs_of(config, study)


def provenance_of(config, jobs, study):
    """With the data sets of another study."""
    there = read_configuration(study / "config.yaml").paths
    return provenance(config.model_copy(update={"paths": there}), jobs)


def test_provenance_is_that_of_the_jobs(page_study):
    config = read_configuration(page_study / "config.yaml")
    write_record(page_study / "logs", "addition/older/linear/seed0", [], ["x"], commit="dead")
    found = provenance(config, jobs_of(config, page_study))
    assert found.commits == {"c0ffee" * 6 + "c0ff"} and found.devices == {"cpu: x86_64"}
    assert found.versions["torch"] == {"2.12.1"}
    assert found.datasets["shapes"]["test"] == (500, "t" * 64)
    weights = list(found.weights)
    assert "resources/pretrained/demo-vit/encoder.safetensors" in weights
    assert sorted(weights) == weights and all(path.endswith(".safetensors") for path in weights)
    assert set(found.code["single_task"]) == {"0123abcd"} and "tables" in found.code


def test_one_record_that_does_not_say_when_makes_all_times_unknown(copied):
    config = read_configuration(copied / "config.yaml")
    jobs = jobs_of(config, copied)
    assert provenance(config, jobs).finished.keys() == jobs.keys()
    older = next(iter(jobs.values()))
    record = json.loads(older.read_text())
    del record["finished"]
    older.write_text(json.dumps(record))
    assert provenance(config, jobs).finished == {}


def test_provenance_lists_the_data_of_every_form_that_models_read(page_study):
    """A model of larger images has files of its own, whose digests differ."""
    config = read_configuration(page_study / "config.yaml")
    larger = config.pretrained["demo-vit"].model_copy(update={"image_size": 64})
    both = {"pretrained": config.pretrained | {"larger": larger}, "models": ["demo-vit", "larger"]}
    for task in (*config.tasks, config.control):
        path = Path(config.paths.resources) / "datasets" / "64px" / task / "dataset.json"
        write_json(path, {"splits": {"test": {"n": 500, "sha256": "l" * 64}}})
    datasets = provenance(config.model_copy(update=both), {}).datasets
    assert datasets["shapes (32px)"]["test"] == (500, "t" * 64)
    assert datasets["shapes (64px)"] == {"test": (500, "l" * 64)}
    assert len(datasets) == 2 * (len(config.tasks) + 1)


def test_weights_of_others_are_named(copied):
    config = yaml.safe_load((copied / "config.yaml").read_text(encoding="utf-8"))
    hub = {
        "source": "hub",
        "repository": "lab/tiny",
        "revision": "main",
        "file": "theta.safetensors",
    }
    local = {"source": "file", "path": "given/theta.pt", "sha256": "d" * 64}
    config["published"] = {"demo-vit": {"standard": {"shapes": hub}, "linear": {"letters": local}}}
    (copied / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with pytest.raises(UserError, match="published/demo-vit/standard/shapes/encoder.safetensors"):
        build_report(copied)

    # What a former configuration took is there too, but this study does not use it.
    entries = {"standard/shapes": (hub, "c" * 40), "linear/letters": (local, None),
               "standard/digits": (local, None)}  # fmt: skip
    for name, (entry, commit) in entries.items():
        about = {"entry": entry, "commit": commit, "sha256": "e" * 64, "relative_distance": 0.0312}
        path = copied / "published" / "demo-vit" / name / "encoder.safetensors"
        metadata = {"published": json.dumps(about)}
        write_safetensors(path, {"weight": np.zeros(2, np.float32)}, metadata)
        write_record(copied / "logs", f"published/demo-vit/{name}", [], [path], code="5ca1ab1e")
    write_record(copied / "logs", "tables/single_task", [path], ["single_task.csv"])
    found = published_weights(read_configuration(copied / "config.yaml"), copied)
    assert [(row["training"], row["task"], row["origin"]) for row in found] == [
        ("standard", "shapes", f"lab/tiny at {'c' * 40}, theta.safetensors"),
        ("linear", "letters", "given/theta.pt"),
    ]
    page = build_report(copied)
    table = page.partition('<table id="published">')[2].partition("</table>")[0]
    for text in ("lab/tiny at " + "c" * 40, "given/theta.pt", "e" * 64, "0.0312"):
        assert text in table
    assert "digits" not in table
    assert "gives for 2 of the fine-tuned encoders" in page and "5ca1ab1e" in page


def test_a_study_without_weights_of_others_does_not_speak_of_them(page):
    assert "published by others" not in page and 'href="#published"' not in page
