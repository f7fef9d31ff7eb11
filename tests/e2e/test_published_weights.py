"""Weights that are given back to the study as published ones give the same task vector."""

import json
import shutil

import torch
from safetensors.torch import load_file
from small_study import MODEL, SEED

from tangent.jobs.files import read_metadata, sha256_file


def test_published_weights_of_our_own_give_the_same_task_vector(study):
    results = study.folder / "results" / "tiny"
    tau = f"task_vectors/{MODEL}/standard/counting/seed{SEED}/task_vector.safetensors"
    before = load_file(results / tau)
    given = study.folder / "given.safetensors"
    trained = results / f"finetuned/{MODEL}/standard/counting/seed{SEED}/encoder.safetensors"
    shutil.copy(trained, given)
    entry = {"source": "file", "path": given.name, "sha256": sha256_file(given)}
    study.write("published.yaml", {"published": {MODEL: {"standard": {"counting": entry}}}})

    study.snakemake(f"results/tiny/{tau}", "--configfile", "published.yaml")

    after = load_file(results / tau)
    assert all(torch.equal(after[name], before[name]) for name in before)
    path = f"results/tiny/published/{MODEL}/standard/counting/encoder.safetensors"
    about = read_metadata(study.folder / path)
    assert (about["model"], about["training"], about["task"]) == (MODEL, "standard", "counting")
    inputs = json.loads(read_metadata(results / tau)["provenance"])["inputs"]
    assert inputs[path] == sha256_file(study.folder / path)
    assert (results / f"logs/published/{MODEL}/standard/counting.log").exists()
    assert "fine-tune" not in " ".join(study.planned("table1", "--configfile", "published.yaml"))
