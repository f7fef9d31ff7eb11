"""`snakemake export`: the models have the accuracies that the study measured."""

import open_clip
import pytest
import torch
from conftest import read_json
from safetensors.torch import load_file
from small_study import CONTROL, MODEL, PREPROCESSING, SEED, TASKS

import tangent

FORGOTTEN = TASKS[1]
SETTINGS = {"modes": ["standard", "linear"], "negations": [FORGOTTEN], "plain_weights": True}


def accuracy(study, model, folder, task):
    """On the test images, by the exported head."""
    split = load_file(study.folder / f"resources/datasets/32px/{task}/test.safetensors")
    mean, std = (torch.tensor(PREPROCESSING[key]).view(3, 1, 1) for key in ("mean", "std"))
    images = (split["images"].permute(0, 3, 1, 2) / 255 - mean) / std
    head = load_file(folder / "heads" / f"{task}.safetensors")["weight"]
    with torch.no_grad():
        features = torch.nn.functional.normalize(model.eval().encode_image(images), dim=-1)
    return ((features @ head.T).argmax(1) == split["labels"]).double().mean().item()


def test_exported_models_are_those_that_the_study_tested(study):
    study.write("export.yaml", {"export": SETTINGS})
    settings = ("--configfile", "export.yaml")
    counts = study.job_counts("export", *settings)
    assert counts == {"exported_addition": 2, "exported_negation": 2, "export": 1, "total": 5}
    assert not {"exported_addition", "exported_negation"} & study.job_counts(*settings).keys()
    study.snakemake("export", *settings)

    results = study.folder / "results" / "tiny"
    for mode in SETTINGS["modes"]:
        place = f"{MODEL}/{mode}/sum/seed{SEED}"
        tested = {t: of["accuracy"] for t, of in added(results, place).items()}
        check(study, mode, results / "export" / place, tested)
        place = f"{MODEL}/{mode}/{FORGOTTEN}/seed{SEED}"
        result = read_json(results / "negation" / place / "result.json")
        tested = {FORGOTTEN: result["target"], CONTROL: result["control"]}
        check(study, mode, results / "export" / place, tested)

    assert study.job_counts("export", *settings) == {}
    assert "verified" in study.snakemake("verify")  # exports are no strays


def added(results, place):
    return read_json(results / "addition" / place / "result.json")["tasks"]


def check(study, mode, folder, tested):
    if mode == "standard":
        model = open_clip.create_model(f"local-dir:{folder}")
    else:
        model = open_clip.create_model(f"local-dir:{folder}/theta0")
        vector = folder / "task_vector.safetensors"
        model.visual = tangent.LinearizedEncoder.load(model.visual, vector)
    card = (folder / "README.md").read_text(encoding="utf-8")
    for task, value in tested.items():
        assert accuracy(study, model, folder, task) == pytest.approx(value)
        assert f"| {task} | {100 * value:.2f} |" in card
