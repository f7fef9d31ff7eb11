"""Accuracies of the demo model in bfloat16 against those in float32, through the scripts."""

from __future__ import annotations

import importlib
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from scripts import cli
from tangent.config.load import load_config
from tangent.evaluation.features import StoredExamples
from tangent.jobs.files import read_json
from tangent.models.encoders import load_encoder
from tangent.models.families import preprocess_config

TASKS = ("signs", "letters")
SIZES = ("--train-images", 200, "--test-images", 1200)  # few flips of near-ties decide nothing
STEPS, BATCH = 10, 64


def script(name, *flags):
    module = importlib.import_module(f"scripts.{name}")
    module.run(cli.parse(module.Arguments, [str(flag) for flag in flags]))


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo model, two of its tasks with fewer images, and a short training on each."""
    import yaml
    from workspace import ROOT

    config = load_config(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")))
    root = tmp_path_factory.mktemp("demo")
    entry = json.loads(config.pretrained["demo-vit"].model_dump_json())
    entry["folder"] = str(ROOT / entry["folder"])
    script("fetch_pretrained", "--source", json.dumps(entry), "--output-dir", root / "pretrained")
    for task in TASKS:
        script(
            *("build_head", "--pretrained-dir", root / "pretrained", "--task", task),
            *("--threads", 1, "--device", "cpu"),
            *("--output", root / "heads" / task / "head.safetensors"),
        )
        source = '{"source": "demo", "seed": 0}'
        located = root / f"{task}.json"
        script("locate_dataset", "--task", task, "--sources", source, *SIZES, "--output", located)
        script(
            *("prepare_dataset", "--task", task, "--located", located, "--image-size", 32, *SIZES),
            *("--order", "source", "--validation-fraction", 0.1, "--validation-maximum", 20),
            *("--output-dir", root / "datasets" / task),
        )
        save_file(task_vector(root, task), root / f"{task}.safetensors")
    return root


def task_vector(root, task):
    """θ* − θ0 after some steps of Adam on the first training images."""
    torch.manual_seed(0)
    encoder = load_encoder(root / "pretrained")
    images = StoredExamples(root / "datasets", preprocess_config(root / "pretrained"))
    batch = images(task, "train", np.arange(BATCH)).whole()
    labels = load_file(root / "datasets" / task / "train.safetensors")["labels"][:BATCH]
    head = load_file(root / "heads" / task / "head.safetensors")["weight"]
    theta0 = {name: value.detach().clone() for name, value in encoder.named_parameters()}
    optimizer = torch.optim.Adam(encoder.parameters(), lr=3e-4)
    for _ in range(STEPS):
        logits = torch.nn.functional.normalize(encoder(batch), dim=-1) @ head.T
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits, labels).backward()
        optimizer.step()
    return {name: value.detach() - theta0[name] for name, value in encoder.named_parameters()}


def accuracies(root, autocast):
    """Test accuracy by evaluation and task, in percent."""
    folder = root / autocast
    at = ("--autocast", autocast, "--batch-size", 128, "--threads", 1, "--device", "cpu")
    encoder = ("--pretrained-dir", root / "pretrained")
    encoder += ("--encoder", root / "pretrained" / "encoder.safetensors")
    places = ("--heads-dir", root / "heads", "--datasets-dir", root / "datasets")
    data = ("--datasets-dir", root / "datasets")
    features = {task: folder / "features" / task for task in TASKS}
    for task, output in features.items():
        script("initial_features", *encoder, *data, *at, "--dataset", task, "--output-dir", output)
    initial = ("--initial-features", *(f"{task}={output}" for task, output in features.items()))
    script(
        *("zero_shot", "--model", "demo", "--seed", 0, *initial, *places),
        *("--output", folder / "zero_shot.json"),
    )
    tables = read_json(folder / "zero_shot.json")["tasks"]
    found = {("zero-shot", task): tables[task]["test"]["accuracy"] for task in TASKS}
    for task in TASKS:
        vectors = ("--task-vectors", f"{task}={root / f'{task}.safetensors'}")
        products = folder / "products" / task
        script(
            *("jacobian_products", *encoder, *data, *at, "--dataset", task, *vectors),
            *("--validation", task, "--test", task, "--output-dir", products),
        )
        models = {
            "standard": (*encoder, *vectors, *at),
            "linear": ("--products", f"{task}={products}"),
        }
        for mode, model in models.items():
            output = folder / mode / f"{task}.json"
            script(
                *("single_task", "--model", "demo", "--mode", mode, "--seed", 0, *places, *model),
                *(*initial, "--task", task, "--output", output),
            )
            found[mode, task] = read_json(output)["test"]["accuracy"]
    return {key: 100 * value for key, value in found.items()}


@pytest.mark.large
def test_accuracies_differ_by_at_most_half_a_point(demo):
    exact, rounded = accuracies(demo, "none"), accuracies(demo, "bfloat16")
    for evaluation in ("zero-shot", "standard", "linear"):
        of_both = [
            np.mean([found[evaluation, task] for task in TASKS]) for found in (exact, rounded)
        ]
        assert abs(of_both[0] - of_both[1]) <= 0.5, evaluation
    # The training did something, and the precision is not the same.
    assert exact["standard", "signs"] > exact["zero-shot", "signs"] + 5
    letters = [
        load_file(demo / name / "features" / "letters" / "test.safetensors")["features"]
        for name in ("none", "bfloat16")
    ]
    assert letters[1].dtype == torch.float32 and not torch.equal(*letters)
    provenance = read_json(demo / "bfloat16" / "standard" / "letters.json")["provenance"]
    assert provenance["settings"]["autocast"] == "bfloat16"
