"""configs/real-efficientnet.yaml through the real Snakemake, with a package of random weights."""

from __future__ import annotations

import pytest
import timm
import torch
import yaml
from safetensors.torch import load_file
from workspace import ROOT, Workspace

from tangent.jobs.files import read_metadata, sha256_file

TASKS, CONTROL, MODEL = ["digits", "patterns"], "shapes", "efficientnet-lite0"
RESULTS = "results/real-efficientnet"
VECTOR = f"{RESULTS}/task_vectors/{MODEL}/linear/{TASKS[0]}/seed0/task_vector.safetensors"
HEADS = [f"{RESULTS}/heads/{MODEL}/{task}/head.safetensors" for task in (*TASKS, CONTROL)]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    """The study at the size of a test; nothing has run, and the package is not installed."""
    workspace = Workspace.create(tmp_path_factory.mktemp("package") / "study")
    path = ROOT / "configs" / "real-efficientnet.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config |= {"tasks": TASKS, "control": CONTROL, "seeds": [0]}
    config["compute"] = {"device": "cpu", "threads": 1}
    torch.manual_seed(0)
    model = timm.create_model("test_efficientnet", pretrained=False)
    tensors = {f"_part{i}": value for i, value in enumerate(model.state_dict().values())}
    (workspace.folder / "kept").mkdir()
    torch.save(tensors, workspace.folder / "kept" / "net.pth")
    config["pretrained"][MODEL] |= {
        "package": "made-weights",
        "file": "kept/net.pth",
        "sha256": sha256_file(workspace.folder / "kept" / "net.pth"),
        "architecture": "test_efficientnet",
    }
    sizes = {"sources": [{"source": "demo", "seed": 0}], "train_images": 200, "test_images": 40}
    config["datasets"] = dict.fromkeys((*TASKS, CONTROL), sizes)
    config["finetuning"] |= {"warmup_steps": 2, "epochs": dict.fromkeys(TASKS, 1)}
    config["alphas"] = {"points": 3}
    config["disentanglement"]["pairs"] = [TASKS]
    config["eigenfunctions"]["tasks"] = TASKS
    workspace.write("small.yaml", config)
    return workspace


@pytest.fixture(scope="module")
def finished(workspace) -> Workspace:
    """The same with a task vector; what is made of it is as of any closed vocabulary."""
    said = workspace.snakemake(VECTOR, "--configfile", "small.yaml", fails=True)
    assert "the Python package made-weights, which carries the weights, is not installed" in said
    assert "run `make real-environment`" in said and "Traceback" not in said
    information = workspace.folder / "made_weights-1.dist-info"  # jobs run in this folder
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: made-weights\nVersion: 1")
    workspace.snakemake(VECTOR, *HEADS, "--configfile", "small.yaml")
    return workspace


def test_fine_tuning_changes_weights_and_no_running_statistics(finished):
    start = load_file(finished.folder / f"resources/pretrained/{MODEL}/encoder.safetensors")
    folder = finished.folder / f"{RESULTS}/finetuned/{MODEL}/linear/{TASKS[0]}/seed0"
    end = load_file(folder / "encoder.safetensors")
    statistics = [name for name in start if "running" in name]
    assert statistics
    assert all(torch.equal(start[name], end[name]) for name in statistics)
    changed = [n for n in start.keys() - set(statistics) if not torch.equal(start[n], end[n])]
    assert len(changed) > len(start) / 3


def test_heads_of_tasks_are_fitted_to_a_share_of_the_training_images(finished):
    config = yaml.safe_load((finished.folder / "small.yaml").read_text(encoding="utf-8"))
    training = 200 - int(200 * config["validation"]["fraction"])
    share = round(config["probe"]["share"] * training)
    for task, images in (*dict.fromkeys(TASKS, share).items(), (CONTROL, training)):
        head = finished.folder / f"{RESULTS}/heads/{MODEL}/{task}/head.safetensors"
        assert read_metadata(head)["fitted_images"] == str(images), task
