"""The disentanglement error ξ against a direct count with loops, on plain and linearized models."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from families import make, random_direction
from torch import Tensor, nn

from tangent.arithmetic.linearized import jvp_features, parameters_of
from tangent.arithmetic.task_vector import TaskVector
from tangent.evaluation.disentanglement import PairMember, disentanglement_error
from tangent.evaluation.edited_linearized import LinearizedEditedModel
from tangent.jobs.errors import UserError
from tangent.models.heads.zero_shot import ZeroShotHead

ALPHAS_1, ALPHAS_2 = [-2.0, 0.0, 0.5], [-1.0, 0.0, 1.0, 3.0]
IMAGES = 12


class CopiedModels:
    """f(x; θ0 + Σ α τ) with a copy of the model for each call; counts the calls."""

    def __init__(
        self, model: nn.Module, vectors: Mapping[str, TaskVector], images: Mapping[str, Tensor]
    ) -> None:
        self.model, self.vectors, self.images = model, vectors, images
        self.calls: list[tuple[dict[str, float], str]] = []

    def features(
        self,
        coefficients: Mapping[str, float],
        dataset: str,
        split: str,
        rows: np.ndarray | None = None,
    ) -> np.ndarray:
        self.calls.append((dict(coefficients), dataset))
        images = self.images[dataset] if rows is None else self.images[dataset][rows]
        model = copy.deepcopy(self.model)
        for name, alpha in coefficients.items():
            self.vectors[name].add_to_(model, alpha)
        with torch.no_grad():
            return model(images).numpy()


@pytest.fixture
def edited(seed: int) -> CopiedModels:
    model, _ = make("perceptron")
    vectors = {name: TaskVector(random_direction(model, 1.0)) for name in ("first", "second")}
    return CopiedModels(model, vectors, {name: torch.randn(IMAGES, 5).double() for name in vectors})


@pytest.fixture
def pair(rng: np.random.Generator) -> tuple[PairMember, PairMember]:
    return (
        PairMember("first", ZeroShotHead(rng.normal(size=(4, 3)))),
        PairMember("second", ZeroShotHead(rng.normal(size=(3, 3))), rows=np.array([7, 1, 4, 2, 9])),
    )


def predicted(
    edited: CopiedModels, member: PairMember, coefficients: dict[str, float]
) -> list[int]:
    weights = dict(edited.model.named_parameters())
    for name, alpha in coefficients.items():
        weights = {key: w + alpha * edited.vectors[name][key] for key, w in weights.items()}
    rows = range(IMAGES) if member.rows is None else member.rows
    images = torch.stack([edited.images[member.name][row] for row in rows])
    features = torch.func.functional_call(edited.model, weights, (images,)).detach().numpy()
    return [
        max(range(member.head.classes), key=lambda c: float(feature @ member.head.weight[c]))
        for feature in features
    ]


def test_is_a_direct_count(edited: CopiedModels, pair: tuple[PairMember, PairMember]) -> None:
    result = disentanglement_error(edited, *pair, ALPHAS_1, ALPHAS_2)
    assert result.error.shape == (len(ALPHAS_1), len(ALPHAS_2))
    for i, alpha_1 in enumerate(ALPHAS_1):
        for j, alpha_2 in enumerate(ALPHAS_2):
            joint = {"first": alpha_1, "second": alpha_2}
            for member, errors in zip(pair, (result.error_1, result.error_2), strict=True):
                single = predicted(edited, member, {member.name: joint[member.name]})
                both = predicted(edited, member, joint)
                different = sum(a != b for a, b in zip(single, both, strict=True))
                assert errors[i, j] == pytest.approx(different / len(single))
            assert result.error[i, j] == result.error_1[i, j] + result.error_2[i, j]
    assert (result.error >= 0).all() and (result.error <= 2).all()


def test_no_pass_is_made_twice(edited: CopiedModels, pair: tuple[PairMember, PairMember]) -> None:
    points = []
    disentanglement_error(edited, *pair, ALPHAS_1, ALPHAS_2, on_point=lambda: points.append(1))
    assert len(points) == len(ALPHAS_1) * len(ALPHAS_2)
    for i, call in enumerate(edited.calls):
        assert call not in edited.calls[:i]


def test_is_zero_on_the_axes_and_for_vectors_that_do_nothing(
    edited: CopiedModels, pair: tuple[PairMember, PairMember]
) -> None:
    result = disentanglement_error(edited, *pair, ALPHAS_1, ALPHAS_2)
    assert result.error[ALPHAS_1.index(0), ALPHAS_2.index(0)] == 0
    assert (result.error_1[:, ALPHAS_2.index(0)] == 0).all()
    assert (result.error_2[ALPHAS_1.index(0), :] == 0).all()
    edited.vectors = {name: 0 * vector for name, vector in edited.vectors.items()}
    assert (disentanglement_error(edited, *pair, ALPHAS_1).error == 0).all()


def test_linearized_models_of_disjoint_effect_are_disentangled(
    edited: CopiedModels, pair: tuple[PairMember, PairMember], rng: np.random.Generator
) -> None:
    """Equation of weight disentanglement: each vector changes its own data set's features only."""
    initial, products = {}, {"first": {}, "second": {}}
    theta0 = parameters_of(edited.model)
    for name, images in edited.images.items():
        value, product = jvp_features(edited.model, theta0, edited.vectors[name], images)
        initial[name, "test"] = value.numpy()
        for other in products:
            products[other][name, "test"] = product.numpy() * (other == name)
    model = LinearizedEditedModel(initial, products)
    assert (disentanglement_error(model, *pair, ALPHAS_1, ALPHAS_2).error == 0).all()
    products["second"]["first", "test"] = 100 * rng.normal(size=(IMAGES, 3))
    model = LinearizedEditedModel(initial, products)
    result = disentanglement_error(model, *pair, ALPHAS_1, ALPHAS_2)
    assert result.error_1.max() > 0 and (result.error_2 == 0).all()


def test_bad_pairs_are_refused(edited: CopiedModels, pair: tuple[PairMember, PairMember]) -> None:
    with pytest.raises(UserError, match="first twice"):
        disentanglement_error(edited, pair[0], pair[0], ALPHAS_1)
    with pytest.raises(UserError, match="empty"):
        disentanglement_error(edited, *pair, ALPHAS_1, [])
