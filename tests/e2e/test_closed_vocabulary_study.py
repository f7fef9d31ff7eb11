"""Closed-vocabulary models through the real Snakemake: pre-training, probes, addition, negation."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
import yaml
from conftest import read_json
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from workspace import ROOT, Workspace

from tangent.data.split import load_split
from tangent.jobs.files import read_metadata

TASKS, CONTROL = ["patterns", "digits"], "shapes"
MODELS = ["demo-timm-vit", "demo-timm-convnext"]
RESULTS = "results/closed"
NEGATION = f"{RESULTS}/negation/{MODELS[0]}/linear/digits/seed0/result.json"
ADDITION = f"{RESULTS}/addition/{MODELS[1]}/linear/sum/seed0/result.json"


def zero_shot(model: str) -> str:
    return f"{RESULTS}/zero_shot/{model}/seed0/zero_shot.json"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    """configs/demo-closed-vocabulary.yaml at the size of a test; its linear mode has run."""
    workspace = Workspace.create(tmp_path_factory.mktemp("closed") / "study")
    path = ROOT / "configs" / "demo-closed-vocabulary.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config |= {"study": "closed", "tasks": TASKS, "control": CONTROL}
    config["compute"] = {"device": "cpu", "threads": 1, "autocast": "none"}
    for recipe in config["pretraining"].values():
        recipe |= {"images": 320, "epochs": 1, "batch_size": 32}
    sizes = {"sources": [{"source": "demo", "seed": 0}], "train_images": 120, "test_images": 60}
    config["datasets"] = dict.fromkeys((*TASKS, CONTROL), sizes)
    config["finetuning"] |= {"batch_size": 16, "warmup_steps": 2}
    config["finetuning"]["epochs"] = dict.fromkeys(TASKS, 1)
    config["alphas"] = {"points": 3}
    config["disentanglement"] |= {"pairs": [TASKS], "points": 3, "images": 16}
    config["disentanglement"] |= {"minimum": -1.0, "maximum": 1.0}
    config["eigenfunctions"] |= {"tasks": TASKS, "images": 8, "components": 3}
    workspace.write("closed.yaml", config)
    # Each model has one part of the study.
    wanted = [NEGATION, ADDITION, *map(zero_shot, MODELS)]
    workspace.snakemake(*wanted, "--configfile", "closed.yaml")
    return workspace


def test_addition_reports_both_tasks(workspace):
    result = read_json(workspace.folder / ADDITION)
    assert {name: task["n"] for name, task in result["tasks"].items()} == dict.fromkeys(TASKS, 60)
    assert 0 < result["absolute"] < 1


@pytest.mark.parametrize("model", MODELS)
def test_before_fine_tuning_a_study_is_timm_and_scikit_learn(workspace, model):
    """From the prepared images to the accuracies at θ₀, by the libraries' own means."""
    folder = workspace.folder / "resources" / "pretrained" / model
    config = read_json(folder / "timm_config.json")
    described, look = config["model_cfg"], config["preprocess_cfg"]
    theirs = timm.create_model(
        described["architecture"], num_classes=described["num_classes"], **described["model_args"]
    )
    theirs.load_state_dict(load_file(folder / "timm_model.safetensors"))
    mean, std = (torch.tensor(look[name])[:, None, None] for name in ("mean", "std"))

    def examples(task, split):
        is_control = task == CONTROL and split == "train"
        resources = (
            workspace.folder / "resources" / ("control_training" if is_control else "datasets")
        )
        stored = load_split(resources / "32px" / task, split)
        pixels = torch.from_numpy(stored.read(np.arange(len(stored)))).permute(0, 3, 1, 2)
        with torch.no_grad():
            kept = theirs.eval().forward_features((pixels / 255 - mean) / std)
            return theirs.forward_head(kept, pre_logits=True).double().numpy(), stored.labels

    ours = read_json(workspace.folder / zero_shot(model))["tasks"]
    assert set(ours) == {*TASKS, CONTROL}
    for task, found in ours.items():
        head = workspace.folder / RESULTS / "heads" / model / task / "head.safetensors"
        strength = float(read_metadata(head)["C"])
        regression = LogisticRegression(C=strength, tol=1e-9, max_iter=9999)
        fitted = make_pipeline(StandardScaler(), regression).fit(*examples(task, "train"))
        expected = fitted.score(*examples(task, "test"))
        # Rounding may turn a prediction or two of 60.
        assert found["test"]["accuracy"] == pytest.approx(expected, abs=0.04)
        assert found["test"]["n"] == 60


def test_negation_looks_at_the_control_task(workspace):
    result = read_json(workspace.folder / NEGATION)
    before = read_json(workspace.folder / zero_shot(MODELS[0]))["tasks"]
    assert result["control_pretrained"] == before[CONTROL]["test"]["accuracy"]
    assert result["target_pretrained"] == before["digits"]["test"]["accuracy"]


def test_the_code_of_other_families_runs_nothing_again(workspace):
    for module in ("clip", "t5", "heads/zero_shot", "heads/answers"):
        workspace.append(f"tangent/models/{module}.py")
    assert workspace.planned(ADDITION, "--configfile", "closed.yaml") == set()
    workspace.append("tangent/models/heads/probe.py")
    planned = workspace.planned(ADDITION, "--configfile", "closed.yaml")
    assert f"fit the linear probe of {MODELS[1]} for {TASKS[0]}" in planned
