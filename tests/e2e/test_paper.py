"""configs/paper.yaml at its smallest, through the real workflow.

The architectures are the real ones at random weights, the data sets are small copies in the formats
that people have. Nothing is fetched.
"""

import json

import numpy as np
import pytest
import small_copies
from PIL import Image
from workspace import Workspace

from tangent.tasks.task_files import load_task

# Images of the training and the test set; every class has a training image.
SIZES = {task: (max(20, len(load_task(task).classes)), 10) for task in small_copies.NINE}
HELD_OUT = 0.5
PAIR, CONTROL = ["svhn", "eurosat"], "mnist"


def nearly_grey(rng, size):
    """Pictures between which an untrained model sees no difference: it names one class for all.

    So it gets some images right on every split, and nothing is normalised by zero.
    """
    return Image.fromarray(rng.integers(124, 132, (*map(int, size), 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    workspace = Workspace.create(tmp_path_factory.mktemp("paper") / "study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small_copies, "_draw", nearly_grey)
        small_copies.pictures.cache_clear()
        for task, (train, test) in SIZES.items():
            small_copies.write_folder(workspace.folder / "data", task, train, test, n_validation=10)
    small_copies.pictures.cache_clear()
    return workspace


def overlay(model, **changes):
    """Keys over configs/paper.yaml: one model, untrained, and the sizes of the small copies."""
    name = f"{model}-untrained"
    own_validation = {"eurosat": {"validation_images": 10}}
    return {
        "extends": "configs/paper.yaml",
        "study": model,
        "models": [name],
        "compute": {"device": "cpu", "threads": 1, "evaluation_batch_size": 8},
        "pretrained": {
            name: {
                "source": "random", "name": f"{model}-quickgelu", "image_size": 224,
                "seed": 0,
            }
        },
        "datasets": {
            task: {"train_images": train, "test_images": test} | own_validation.get(task, {})
            for task, (train, test) in SIZES.items()
        },
        "validation": {"fraction": HELD_OUT},
        "finetuning": {"batch_size": 8},
        "disentanglement": {"models": [name]},
        "eigenfunctions": {"models": [name]},
        "random_initialization": {"models": [name]},
    } | changes  # fmt: skip


def small_study(model):
    """Two tasks, two steps per fine-tuning, two α, a heat map of nine points, one kernel a task."""
    name = f"{model}-untrained"
    rates = {"standard": 1.0e-7, "linear": 1.0e-7}
    parts = {"accumulation_steps": 2, "activation_checkpointing": ["linear"]}
    return overlay(
        model,
        tasks=PAIR,
        control=CONTROL,
        finetuning={
            "batch_size": 8, "warmup_steps": 1, "epochs": dict.fromkeys(PAIR, 1),
            "learning_rate": rates, "models": {name: parts},
        },
        alphas={"points": 2},
        disentanglement={
            "models": [name], "pairs": [PAIR], "minimum": -1.0, "maximum": 1.0, "points": 3,
            "images": 2,
        },
        eigenfunctions={
            "models": [name], "tasks": PAIR, "images": 4, "components": 1, "logits": 1,
        },
        random_initialization={"models": [name], "tasks": ["eurosat"], "epochs": 1},
    )  # fmt: skip


def test_all_nine_data_sets_are_prepared_from_folders(workspace):
    workspace.write("nine.yaml", overlay("ViT-B-32"))
    workspace.snakemake("data", "--configfile", "nine.yaml")
    for task, (train, test) in SIZES.items():
        folder = workspace.folder / "resources" / "datasets" / "224px" / task
        splits = json.loads((folder / "dataset.json").read_text())["splits"]
        # EuroSAT has validation images of its own; the others' are cut from the training set.
        held_out = 10 if task == "eurosat" else int(HELD_OUT * train)
        expected = {"validation": held_out, "test": test}
        if task != "imagenet":  # the control task's training images are not decoded
            expected["train"] = train if task == "eurosat" else train - held_out
        assert {name: split["n"] for name, split in splits.items()} == expected


@pytest.mark.large
@pytest.mark.parametrize("model", ["ViT-B-32", "ViT-B-16", "ViT-L-14"])
def test_every_step_that_runs_a_model_runs_with_the_papers_architectures(workspace, model):
    """One job of every script at least; tables and figures know nothing of architectures."""
    name = f"{model}-untrained"
    workspace.write(f"{model}.yaml", small_study(model))
    results = f"results/{model}"
    targets = [
        f"zero_shot/{name}/seed0/zero_shot.json",
        f"single_task/{name}/standard/eurosat/seed0/accuracy.json",
        f"addition/{name}/linear/sum/seed0/result.json",
        f"negation/{name}/linear/svhn/seed0/result.json",
        f"negation/{name}/standard/eurosat/seed0/result.json",
        f"disentanglement/{name}/linear/svhn/eurosat/seed0/error.csv",
        f"eigenfunctions/{name}/eurosat/seed0/energies.csv",
        f"proposition1/{name}/seed0/interference.csv",
        f"single_task/{name}-random/linear/eurosat/seed0/accuracy.json",
    ]
    files = [f"{results}/{target}" for target in targets]
    workspace.snakemake(*files, "--configfile", f"{model}.yaml")
    assert all((workspace.folder / file).exists() for file in files)
    # Two steps, the second one short.
    file = workspace.folder / results / f"finetuned/{name}/linear/svhn/seed0/log.csv"
    log = np.genfromtxt(file, delimiter=",", names=True)
    assert len(log) == 2
    assert np.isfinite(log["loss"]).all() and (log["gradient_norm"] > 0).all()
