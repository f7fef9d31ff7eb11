"""Text through the real Snakemake: a T5 pre-trained here, two tasks, task addition."""

from __future__ import annotations

import pytest
import torch
import yaml
from conftest import read_json
from safetensors.torch import load_file
from workspace import ROOT, Workspace

TASKS = ["polarity_books", "topic_books"]
MODEL = "demo-t5"
ADDITION = f"results/text/addition/{MODEL}/linear/sum/seed0/result.json"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    """configs/demo-t5.yaml at the size of a test; linear task addition has run."""
    workspace = Workspace.create(tmp_path_factory.mktemp("text") / "study")
    config = yaml.safe_load((ROOT / "configs" / "demo-t5.yaml").read_text(encoding="utf-8"))
    config |= {"study": "text", "tasks": TASKS}
    config["compute"] = {"device": "cpu", "threads": 1}
    config["pretraining"][MODEL] |= {"texts": 480, "batch_size": 32}
    sizes = {"train_images": 100, "test_images": 40}
    config["datasets"] = {
        name: config["datasets"][name] | sizes for name in (*TASKS, config["control"])
    }
    config["finetuning"] |= {"batch_size": 16, "warmup_steps": 2}
    config["finetuning"]["epochs"] = dict.fromkeys(TASKS, 1)
    config["alphas"] = {"points": 3}
    config["disentanglement"] |= {"pairs": [TASKS], "points": 3, "images": 16}
    config["disentanglement"] |= {"minimum": -1.0, "maximum": 1.0}
    config["eigenfunctions"] |= {"tasks": TASKS, "images": 8, "components": 3}
    config["combinations"] = {"models": [], "analogies": []}
    config["random_initialization"] = {"models": [], "tasks": [TASKS[0]]}
    workspace.write("text.yaml", config)
    workspace.snakemake(ADDITION, "--configfile", "text.yaml")
    return workspace


def test_addition_reports_both_tasks(workspace):
    result = read_json(workspace.folder / ADDITION)
    assert {name: task["n"] for name, task in result["tasks"].items()} == dict.fromkeys(TASKS, 40)
    assert 0 < result["absolute"] < 1


def test_task_vectors_are_about_encoder_and_decoder_but_not_the_table(workspace):
    folder = workspace.folder / f"results/text/task_vectors/{MODEL}/linear/{TASKS[0]}/seed0"
    names = set(load_file(folder / "task_vector.safetensors"))
    assert {name.split(".")[0] for name in names} == {"encoder", "decoder"}
    vector = load_file(folder / "task_vector.safetensors")
    assert sum(bool(torch.any(value)) for value in vector.values()) > len(vector) / 2


def test_the_control_tasks_training_texts_are_not_tokenised(workspace):
    plan = workspace.planned("data", "--configfile", "text.yaml")
    assert any("kinds" in message for message in plan)
    assert not any("tokenise the texts of polarity_books" in message for message in plan)


def test_the_code_of_other_families_runs_nothing_again(workspace):
    for module in ("clip", "closed_vocabulary", "heads/probe"):
        workspace.append(f"tangent/models/{module}.py")
    assert workspace.planned(ADDITION, "--configfile", "text.yaml") == set()
    workspace.append("tangent/models/heads/answers.py")
    planned = workspace.planned(ADDITION, "--configfile", "text.yaml")
    assert f"build the head of answers of {MODEL} for {TASKS[0]}" in planned
