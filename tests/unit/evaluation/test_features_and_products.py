"""Stored features and Jacobian-vector products against independent arithmetic."""

from __future__ import annotations

import copy
import json

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import load_file
from torch.func import functional_call


def test_initial_features_are_the_encoders_own(study):
    for task in (*study.tasks, study.control):
        for split in ("validation", "test"):
            stored = load_file(study.root / "features" / task / f"{split}.safetensors")
            assert set(stored) == {"features"}
            with torch.no_grad():
                expected = study.model(study.images(task, split)).numpy()
            np.testing.assert_allclose(stored["features"], expected, atol=1e-5)
            assert stored["features"].dtype == np.float32


def test_products_are_directional_derivatives(study):
    """Against a central difference in float64."""
    step = 1e-5
    images = study.images("blue", "test").double()
    encoder = copy.deepcopy(study.model).double()
    products = load_file(study.root / "products" / "blue" / "test.safetensors")
    assert set(products) == {"sum", "red", "green", "blue"}
    for vector, stored in products.items():
        with torch.no_grad():
            plus, minus = (
                functional_call(encoder, double(study, {vector: sign * step}), (images,))
                for sign in (1, -1)
            )
        expected = ((plus - minus) / (2 * step)).numpy()
        np.testing.assert_allclose(stored, expected, atol=2e-4 * np.abs(expected).max())


def double(study, coefficients: dict[str, float]) -> dict[str, torch.Tensor]:
    weights = {name: value.double() for name, value in study.theta0.items()}
    for name, alpha in coefficients.items():
        for vector in study.task_vectors if name == "sum" else (name,):
            for key in weights:
                weights[key] = weights[key] + alpha * study.task_vectors[vector][key].double()
    return weights


def test_files_say_what_made_them(study):
    with safe_open(study.root / "products" / "blue" / "test.safetensors", "np") as file:
        metadata = file.metadata()
    assert metadata["dataset"] == "blue"
    inputs = json.loads(metadata["provenance"])["inputs"]
    assert any(path.endswith("task_vectors/green.safetensors") for path in inputs)
    assert any(path.endswith("blue/test.safetensors") for path in inputs)
    assert not any("validation" in path for path in inputs)
