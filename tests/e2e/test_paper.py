"""configs/paper.yaml at its smallest, through the real workflow.

The architectures are the real ones at random weights, the data sets are small copies in the formats
that people have. Nothing is fetched.
"""

import json

import numpy as np
import pytest
from small_copies import NINE, write_folder
from workspace import Workspace

from tangent.tasks import load_task

# Images of training and test set; every class has a training image.
SIZES = {task: (max(24, len(load_task(task).classes)), 12) for task in NINE}
SMALL_TASKS, CONTROL = ["svhn", "eurosat"], "mnist"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    workspace = Workspace.create(tmp_path_factory.mktemp("paper") / "study")
    for task, (train, test) in SIZES.items():
        write_folder(workspace.folder / "data", task, train, test, n_validation=10)
    return workspace


def overlay(model, **changes):
    """Keys over configs/paper.yaml that make every step small: one model, untrained, few images."""
    architecture = {"source": "random", "image_size": 224, "seed": 0}
    own_validation = {"eurosat": {"validation_images": 10}}
    content = {
        "extends": "configs/paper.yaml",
        "study": "small",
        "models": [f"{model}-untrained"],
        "compute": {"device": "cpu", "threads": 1, "evaluation_batch_size": 8},
        "pretrained": {f"{model}-untrained": {"name": f"{model}-quickgelu", **architecture}},
        "datasets": {
            task: {"train_images": train, "test_images": test} | own_validation.get(task, {})
            for task, (train, test) in SIZES.items()
        },
        "validation": {"fraction": 0.4},
        "disentanglement": {"models": [f"{model}-untrained"]},
        "eigenfunctions": {"models": [f"{model}-untrained"]},
        "random_initialization": {"models": [f"{model}-untrained"]},
    }
    for section, keys in changes.items():
        content[section] = content[section] | keys if section in content else keys
    return content


def test_all_nine_data_sets_are_prepared_from_folders(workspace):
    workspace.write("nine.yaml", overlay("ViT-B-32"))
    workspace.snakemake("data", "--configfile", "nine.yaml")
    for task, (train, test) in SIZES.items():
        folder = workspace.folder / "resources" / "datasets" / "224px" / task
        splits = json.loads((folder / "dataset.json").read_text())["splits"]
        # EuroSAT has validation images of its own; the others' are cut from the training set.
        held_out = 10 if task == "eurosat" else int(0.4 * train)
        expected = {"validation": held_out, "test": test}
        if task != "imagenet":  # the control task's training images are not decoded
            expected["train"] = train if task == "eurosat" else train - held_out
        assert {name: split["n"] for name, split in splits.items()} == expected


@pytest.mark.parametrize(
    "model",
    [
        "ViT-B-32",
        pytest.param("ViT-B-16", marks=pytest.mark.large),
        pytest.param("ViT-L-14", marks=pytest.mark.large),
    ],
)
def test_every_rule_runs_with_the_real_architecture(workspace, model):
    """One step of each training, and every evaluation, table and figure."""
    name = f"{model}-untrained"
    rates = {"standard": 1.0e-5, "linear": 1.0e-5}
    parts = {"accumulation_steps": 2, "activation_checkpointing": ["linear"]}
    content = overlay(
        model,
        tasks=SMALL_TASKS,
        control=CONTROL,
        finetuning={
            "batch_size": 12, "warmup_steps": 1, "epochs": dict.fromkeys(SMALL_TASKS, 1),
            "learning_rate": rates, "models": {name: parts},
        },
        alphas={"points": 2},
        disentanglement={"models": [name], "pairs": [SMALL_TASKS], "points": 2, "images": 3},
        eigenfunctions={
            "models": [name], "tasks": SMALL_TASKS, "images": 3, "components": 1, "logits": 1,
        },
        random_initialization={"models": [name], "tasks": ["svhn"], "epochs": 1},
    )  # fmt: skip
    # Fine-tuning sees 15 of svhn's 24 images: two steps an epoch, the last one short.
    workspace.write(f"{model}.yaml", content | {"study": model})
    workspace.snakemake("--configfile", f"{model}.yaml")
    results = workspace.folder / "results" / model
    table = (results / "tables" / "table1.md").read_text(encoding="utf-8")
    assert name in table and "nan" not in table.lower()
    assert (results / "report" / "index.html").stat().st_size > 100_000
    log = np.genfromtxt(
        results / f"finetuned/{name}/linear/svhn/seed0/log.csv", delimiter=",", names=True
    )
    assert len(log) == 2 and np.isfinite(log["loss"]).all() and (log["gradient_norm"] > 0).all()
