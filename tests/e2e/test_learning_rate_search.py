"""Learning rates chosen by validation, through the real Snakemake: the small study searches one."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import read_json
from expected_jobs import adopted, chosen, jobs, tried
from small_study import MODEL, SEED, TASKS
from workspace import Workspace

from tangent.evaluation import outcomes
from tangent.jobs.files import read_metadata

RESULTS, SEARCH = "results/tiny", f"results/tiny/learning_rates/{MODEL}/linear"
TABLE = f"{RESULTS}/tables/learning_rates.csv"
CHOSEN = f"{SEARCH}/seed{SEED}/chosen.json"
ENCODERS = [f"{RESULTS}/finetuned/{MODEL}/linear/{t}/seed{SEED}/encoder.safetensors" for t in TASKS]
TARGETS = ["learning_rates", *ENCODERS]
AT_THE_EDGE, MISSING = [0.001, 0.01, 0.1], 0.0001


def configure(workspace, **finetuning):
    """Set keys of `finetuning`."""
    config = yaml.safe_load((workspace.folder / "config.yaml").read_text(encoding="utf-8"))
    config["finetuning"] |= finetuning
    workspace.write("config.yaml", config)


def grid(rates):
    return {"learning_rate": {"standard": 1.0e-3, "linear": {"grid": rates}}}


def kept(workspace, pattern):
    """Content and time stamp of the search's files."""
    files = [file for file in (workspace.folder / SEARCH).glob(pattern) if file.is_file()]
    assert files
    return {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in files}


def splits(workspace):
    return [workspace.folder / f"resources/datasets/32px/{t}/test.safetensors" for t in TASKS]


@pytest.fixture(scope="module")
def edge(sources, tmp_path_factory):
    """A study whose best rate is the smallest of its grid has run, and what it printed.

    All the time its test splits and its files of products are garbage.
    """
    folder = tmp_path_factory.mktemp("rates") / "study"
    shutil.copytree(sources.folder, folder)
    workspace = Workspace(folder)
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    config["finetuning"] |= {"epochs": {"shapes": 1, "counting": 4, "patterns": 1}}
    workspace.write("config.yaml", config)
    configure(workspace, **grid(AT_THE_EDGE))
    workspace.snakemake(*(str(file.relative_to(folder)) for file in splits(workspace)))
    for file in splits(workspace):
        file.rename(file.with_suffix(".whole"))
        file.write_bytes(b"poison")
    for mode in ("posthoc", "linear"):
        for task in TASKS:
            for split in ("validation", "test"):
                name = f"products/{MODEL}/{mode}/{task}/seed{SEED}/{split}.safetensors"
                path = folder / RESULTS / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"poison")
    return workspace, workspace.snakemake(*TARGETS, "--keep-going", fails=True)


@pytest.fixture(scope="module")
def searched(edge):
    """The same with the rate that was named: first what this plans, then the study that has run."""
    workspace, _ = edge
    before = kept(workspace, "*/*/*/*")
    configure(workspace, **grid([*AT_THE_EDGE, MISSING]))
    planned = workspace.planned(*TARGETS)
    workspace.snakemake(*TARGETS)
    return workspace, before, planned


def test_a_winner_at_the_edge_is_one_message_that_names_the_rate_to_add(edge):
    workspace, output = edge
    (message,) = set(re.findall(r"^error: (.+)$", output, re.MULTILINE))
    assert message.startswith("finetuning.learning_rate.linear.grid: 0.001, the smallest rate, ")
    assert "add 1.0e-04 to the grid" in message and "Traceback" not in output
    assert not (workspace.folder / CHOSEN).exists()


def test_a_rate_that_is_added_is_trained_and_nothing_twice(searched):
    workspace, before, planned = searched
    assert planned == tried([MISSING]) | chosen() | adopted() | {
        "collect the tidy table learning_rates"
    }
    assert len([name for name in before if name.name == "encoder.safetensors"]) == 3 * len(TASKS)
    assert before.items() <= kept(workspace, "*/*/*/*").items()
    assert workspace.planned(*TARGETS) == set()


def test_the_choice_is_that_of_the_accuracies_on_validation_images(searched):
    workspace, _, _ = searched
    accuracies = {}
    for rate in (MISSING, *AT_THE_EDGE):
        for task in TASKS:
            result = read_json(
                workspace.folder / f"{SEARCH}/{rate}/{task}/seed{SEED}/accuracy.json"
            )
            right = outcomes.decode(result["outcomes"], result["n"])
            assert result["accuracy"] == right.mean() and result["n"] == 45
            assert "test" not in {Path(name).stem for name in result["provenance"]["inputs"]}
            accuracies[rate, task] = right
    means = {
        rate: np.mean([accuracies[rate, task].mean() for task in TASKS])
        for rate in (MISSING, *AT_THE_EDGE)
    }
    best = max(means, key=means.get)
    assert read_json(workspace.folder / CHOSEN) == {
        "model": MODEL, "training": "linear", "seed": SEED, "split": "validation",
        "learning_rate": best,
    }  # fmt: skip
    with open(workspace.folder / TABLE, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * 3
    for row in rows:
        rate = float(row["rate"])
        tasks = TASKS if row["task"] == "mean" else (row["task"],)
        variances = []
        for task in tasks:
            difference = accuracies[rate, task] * 1.0 - accuracies[best, task] * 1.0
            variances.append(((difference - difference.mean()) ** 2).sum() / (45 * 44))
        assert float(row["accuracy"]) == pytest.approx(
            np.mean([accuracies[rate, task].mean() for task in tasks])
        )
        assert float(row["se_difference"]) == pytest.approx(np.sqrt(sum(variances)) / len(tasks))
        assert row["chosen"] == str(rate == best) and int(row["n"]) == 45 * len(tasks)


def test_the_winners_training_is_the_studys_own_to_the_byte(searched):
    workspace, _, _ = searched
    rate = read_json(workspace.folder / CHOSEN)["learning_rate"]
    for task, encoder in zip(TASKS, ENCODERS, strict=True):
        here = (workspace.folder / encoder).parent
        there = workspace.folder / f"{SEARCH}/{rate}/{task}/seed{SEED}"
        files = [file.relative_to(here) for file in here.rglob("[!.]*") if file.is_file()]
        assert len(files) == 4
        assert all((here / name).read_bytes() == (there / name).read_bytes() for name in files)
        assert read_json(here / "metrics.json")["learning_rate"] == rate
        assert read_metadata(here / "encoder.safetensors")["learning_rate"] == str(rate)


def test_whole_test_splits_change_no_byte_of_accuracies_and_choice(searched):
    workspace, _, _ = searched
    before = kept(workspace, "*/*/*/accuracy.json") | kept(workspace, f"seed{SEED}/chosen.json")
    for file in splits(workspace):
        shutil.copy(file.with_suffix(".whole"), file)
    shutil.rmtree(workspace.folder / RESULTS / "products")
    workspace.snakemake("learning_rates", "--forcerun", "tuning_accuracy")
    for file, (content, time) in before.items():
        assert file.read_bytes() == content and file.stat().st_mtime_ns > time
    workspace.snakemake(*TARGETS)
    assert "verified" in workspace.snakemake("verify")


def test_other_seeds_are_trained_once_at_the_chosen_rate(searched):
    workspace, _, _ = searched
    other = [name.replace(f"seed{SEED}", "seed4") for name in ENCODERS]
    workspace.write("seeds.yaml", {"seeds": [SEED, 4]})
    study = ("--configfile", "seeds.yaml")
    assert workspace.planned(*ENCODERS, *other, *study) == jobs(
        "fine-tune {model} on {task} (linear, seed 4)", model=MODEL, task=TASKS
    )
    (encoder,) = [name for name in other if "counting" in name]
    workspace.snakemake(encoder, *study)
    metrics = read_json((workspace.folder / encoder).parent / "metrics.json")
    assert metrics["learning_rate"] == read_json(workspace.folder / CHOSEN)["learning_rate"]
    before = (workspace.folder / encoder).stat().st_mtime_ns
    configure(workspace, **grid([*AT_THE_EDGE, MISSING, 0.05]))
    workspace.snakemake(encoder, *study)
    assert (workspace.folder / SEARCH / "0.05" / "shapes").exists()
    assert (workspace.folder / encoder).stat().st_mtime_ns == before
    assert workspace.planned(encoder, *study) == set()


def test_on_a_seed_that_no_result_uses_nothing_is_taken_over(searched):
    workspace, _, _ = searched
    workspace.write("apart.yaml", {"finetuning": {"tuning_seed": 9}})
    planned = workspace.planned(*TARGETS, "--configfile", "apart.yaml")
    assert planned >= tried([MISSING, *AT_THE_EDGE], seed=9) | jobs(
        "fine-tune {model} on {task} (linear, seed {seed})", model=MODEL, task=TASKS, seed=SEED
    )
    assert not planned & adopted()
