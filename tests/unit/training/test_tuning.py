"""The scripts that choose a learning rate, and a fine-tuning at a chosen one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tangent.evaluation import outcomes
from tangent.jobs.errors import UserError
from tangent.jobs.files import read_json, read_metadata, write_json


def choice(folder, rate, **other):
    about = {"model": "tiny", "training": "standard", "seed": 0, "split": "validation"}
    write_json(folder / "chosen.json", about | {"learning_rate": rate} | other)
    return folder / "chosen.json"


def test_a_rate_from_a_file_gives_the_bits_of_the_number(script, finetuning, tmp_path):
    numbers = finetuning | {"epochs": 1, "learning_rate": 2e-3, "output_dir": tmp_path / "number"}
    script("finetune", **numbers)
    of_file = numbers | {"output_dir": tmp_path / "file"}
    del of_file["learning_rate"]
    script("finetune", **of_file, learning_rate_file=choice(tmp_path, 2e-3))
    one, other = (load_file(tmp_path / name / "encoder.safetensors") for name in ("number", "file"))
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    for name in ("number", "file"):
        assert read_json(tmp_path / name / "metrics.json")["learning_rate"] == 2e-3
        metadata = read_metadata(tmp_path / name / "encoder.safetensors")
        assert float(metadata["learning_rate"]) == 2e-3


def test_exactly_one_of_number_and_file_is_given(script, finetuning, tmp_path):
    for flags in (finetuning | {"learning_rate_file": choice(tmp_path, 1.0)}, dict(finetuning)):
        if "learning_rate_file" not in flags:
            del flags["learning_rate"]
        with pytest.raises(UserError, match="exactly one of --learning-rate and --learning-rate-f"):
            script("finetune", **flags)


@pytest.mark.parametrize("other", [{"training": "linear"}, {"model": "small"}, {"split": "test"}])
def test_the_choice_of_another_training_is_refused(other, script, finetuning, tmp_path):
    del finetuning["learning_rate"]
    with pytest.raises(UserError, match="is the result of"):
        script("finetune", **finetuning, learning_rate_file=choice(tmp_path, 1.0, **other))


@pytest.mark.parametrize("training", ["standard", "linear"])
def test_the_accuracy_is_the_studys_own_single_task_accuracy(
    training, script, finetuning, pretrained, dataset, heads, tmp_path
):
    """By another way: τ, features and J(x)τ in files, then look-ups or a pass of the model."""
    script("finetune", **finetuning | {"training": training, "learning_rate": 1e-2})
    encoder = finetuning["output_dir"] / "encoder.safetensors"
    model = {"pretrained_dir": pretrained, "encoder": pretrained / "encoder.safetensors"}
    model |= {"datasets_dir": dataset.parent, "device": "cpu", "threads": 1}
    about = {"model": "tiny", "task": "shapes", "seed": 0, "heads_dir": heads}
    script(
        "tuning_accuracy",
        **model,
        **about,
        finetuned_encoder=encoder,
        training=training,
        learning_rate=1e-2,
        output=tmp_path / "accuracy.json",
    )
    vector, features = tmp_path / "tau.safetensors", tmp_path / "features"
    script(
        "extract_task_vector",
        initial_encoder=model["encoder"],
        finetuned_encoder=encoder,
        output=vector,
    )
    script("initial_features", **model, dataset="shapes", output_dir=features)
    edited = {"task_vectors": f"shapes={vector}"} | model
    if training == "linear":
        names = {"validation": "shapes", "test": "shapes"}
        products = tmp_path / "products"
        script("jacobian_products", **edited, **names, dataset="shapes", output_dir=products)
        edited = {"products": f"shapes={products}", "datasets_dir": dataset.parent}
    script(
        "single_task",
        **edited,
        **about,
        mode=training,
        initial_features=f"shapes={features}",
        output=tmp_path / "single_task.json",
    )
    measured, expected = (read_json(tmp_path / f"{n}.json") for n in ("accuracy", "single_task"))
    assert measured.items() >= expected["validation"].items()
    right = outcomes.decode(measured["outcomes"], measured["n"])
    assert right.mean() == measured["accuracy"]
    assert "test" not in {Path(name).stem for name in measured["provenance"]["inputs"]}


def test_a_file_that_chooses_no_candidate_is_refused(script, tmp_path):
    with pytest.raises(UserError, match=r"chooses 0\.5, which is none of the candidates"):
        script(
            "adopt_training",
            model="tiny",
            training="standard",
            seed=0,
            learning_rate_file=choice(tmp_path, 0.5),
            candidates=f"0.1={tmp_path}",
            output_dir=tmp_path / "taken",
        )
