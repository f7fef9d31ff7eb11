"""Products of a data set with several task vectors: how they are divided changes no number."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tangent.arithmetic.linearized import parameters_of
from tangent.evaluation import product_passes
from tangent.evaluation.features import StoredExamples
from tangent.evaluation.product_passes import images_per_pass, tangents_per_pass
from tangent.evaluation.products import dataset_products, stacked_vectors
from tangent.jobs.errors import UserError
from tangent.models.families import preprocess_config

WANTED = {"validation": ["sum", "red"], "test": ["sum", "red", "blue", "green"]}


def files(study):
    return {name: study.vector_file(name) for name in (*study.tasks, "sum")}


def products(study, wanted, autocast="none", memory=None):
    load = StoredExamples(study.root / "datasets", preprocess_config(study.root / "pretrained"))
    given = study.model, files(study), wanted, load, "green", 16, autocast
    return dataset_products(*given, memory=memory)


def test_passes_of_any_size_give_the_same_products(study, monkeypatch, rng):
    expected = products(study, WANTED)
    size = sum(value.nbytes for value in study.theta0.values())
    passes = []
    forward = study.model.register_forward_pre_hook(lambda _, inputs: passes.append(len(inputs[0])))
    for held, together in ((1, 1), (2.5, 2), (3, 2), (4, 4)):
        monkeypatch.setattr(product_passes, "TANGENT_IMAGES", images := int(rng.integers(1, 70)))
        passes.clear()
        found = products(study, WANTED, memory=int(held * size))
        # Of the two on validation images, both come first.
        rounds = {"validation": -(-2 // together) * 40, "test": -(-4 // together) * 50}
        assert sum(passes) == sum(rounds.values())
        assert max(passes) <= min(16, max(1, images))
        for split, wanted in WANTED.items():
            assert list(found[split]) == wanted
            for name, product in found[split].items():
                scale = np.abs(expected[split][name]).max()
                np.testing.assert_allclose(product, expected[split][name], atol=1e-5 * scale)
    forward.remove()


def test_the_division_is_even_and_within_its_budget(rng):
    for budget in (2**20, *product_passes.DIRECTION_BYTES.values()):
        for _ in range(100):
            vectors, size = int(rng.integers(1, 30)), int(rng.integers(1, 2 * budget))
            together = tangents_per_pass(vectors, size, budget)
            assert 1 <= together <= vectors and (together == 1 or together * size <= budget)
            rounds = -(-vectors // together)
            fits = max(1, budget // size)
            assert (rounds - 1) * fits < vectors, "a pass more than the budget asks for"
            batch_size, n = (int(number) for number in rng.integers(1, 1000, 2))
            images = images_per_pass(n, batch_size, together)
            assert 1 <= images <= min(batch_size, n)
            assert images == 1 or images * together <= product_passes.TANGENT_IMAGES
            last = n - (-(-n // images) - 1) * images
            assert 1 <= last <= images


def test_stacked_vectors_are_the_files_and_their_sum(study):
    names = ["blue", "sum", "red"]
    stacked = stacked_vectors(parameters_of(study.model), files(study), names)
    for key, value in stacked.items():
        total = sum(study.task_vectors[name][key] for name in study.tasks)
        expected = {**{name: study.task_vectors[name][key] for name in study.tasks}, "sum": total}
        assert torch.equal(value, torch.stack([expected[name] for name in names]))


def test_a_missing_vector_and_one_of_another_model_are_named(study, tmp_path):
    theta0 = parameters_of(study.model)
    with pytest.raises(
        UserError, match="no task vector 'violet', only red, green, blue, sum: give"
    ):
        stacked_vectors(theta0, files(study), ["sum", "violet"])
    other = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(3)}, other)
    with pytest.raises(UserError, match=r"the model has .*, .*other\.safetensors does not"):
        stacked_vectors(theta0, {**files(study), "other": other}, ["red", "other"])


def test_bfloat16_is_near_float32(study):
    exact, rounded = (products(study, WANTED, autocast) for autocast in ("none", "bfloat16"))
    for name, product in exact["test"].items():
        found = rounded["test"][name]
        assert found.dtype == np.float32 and not np.array_equal(found, product)
        assert np.linalg.norm(found - product) < 0.05 * np.linalg.norm(product)
