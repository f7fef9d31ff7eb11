"""Linear probes against scikit-learn, and against autograd and torch's L-BFGS in float64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tangent.models.heads.probe import Labelled, ProbeHead, fit


def objective(
    head: ProbeHead, features: np.ndarray, labels: np.ndarray, strength: float
) -> tuple[Callable[[], torch.Tensor], list[torch.Tensor]]:
    """The penalised loss, and its parameters (of standardised features, float64) at a head."""
    deviation, mean = features.std(axis=0), features.mean(axis=0)
    standardised = torch.from_numpy((features - mean) / deviation)
    weight = torch.from_numpy(head.weight * deviation).contiguous().requires_grad_()
    bias = torch.from_numpy(head.bias + head.weight @ mean).requires_grad_()

    def value() -> torch.Tensor:
        logits = standardised @ weight.T + bias
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels), reduction="sum")
        return strength * loss + weight.square().sum() / 2

    return value, [weight, bias]


def random_problem(rng, classes: int, width: int = 7) -> tuple[Labelled, Labelled]:
    centres = rng.normal(size=(classes, width))

    def draw(n: int) -> Labelled:
        labels = np.concatenate([np.arange(classes), rng.integers(classes, size=n - classes)])
        noise = 1.5 * rng.normal(size=(n, width))
        scale, shift = 10.0 ** np.linspace(-2, 1, width), np.linspace(-3, 3, width)
        return Labelled(((centres[labels] + noise) * scale + shift).astype(np.float32), labels)

    return draw(120), draw(60)


@pytest.mark.parametrize("classes", [2, 3, 6])
def test_a_probe_minimises_the_penalised_loss(rng, classes: int) -> None:
    train, validation = random_problem(rng, classes)
    names = [f"class {index}" for index in range(classes)]
    strength = float(10 ** rng.uniform(-3, 1))
    head = fit(train, validation, names, [strength], "toy").head
    value, parameters = objective(head, train.features.astype(np.float64), train.labels, strength)
    found = value()
    # Scikit-learn's binary regression has one vector w, whose penalty is twice that of ±w/2.
    if classes > 2:
        gradients = torch.autograd.grad(found, parameters)
        assert max(float(part.abs().max()) for part in gradients) < 1e-2 * strength + 1e-3
        optimizer = torch.optim.LBFGS(parameters, max_iter=500, line_search_fn="strong_wolfe")

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = value()
            loss.backward()
            return loss

        before = [part.detach().clone() for part in parameters]
        optimizer.step(closure)
        assert found.item() <= value().item() * (1 + 1e-6)
        torch.testing.assert_close(parameters[0].detach(), before[0], rtol=1e-2, atol=1e-3)
    theirs = make_pipeline(
        StandardScaler(), LogisticRegression(C=strength, tol=1e-9, max_iter=9999)
    )
    theirs.fit(train.features.astype(np.float64), train.labels)
    logits = torch.from_numpy(head.logits(validation.features))
    expected = theirs.predict_proba(validation.features.astype(np.float64))
    np.testing.assert_allclose(logits.softmax(dim=1).numpy(), expected, atol=1e-4)


def test_validation_chooses_the_strongest_of_the_best_regularisations(rng) -> None:
    train, validation = random_problem(rng, 4)
    strengths = [1e-4, 1e-3, 1e-2, 1e-1, 1, 10]
    found = fit(train, validation, "abcd", strengths, "toy")
    alone = [fit(train, validation, "abcd", [strength], "toy") for strength in strengths]
    # Fits that start elsewhere end at the same probe.
    accuracies = [one.accuracies[strength] for one, strength in zip(alone, strengths, strict=True)]
    assert list(found.accuracies.items()) == list(zip(strengths, accuracies, strict=True))
    best = max(range(6), key=lambda index: (accuracies[index], -index))
    assert found.chosen == strengths[best]
    np.testing.assert_allclose(found.head.weight, alone[best].head.weight, rtol=1e-2, atol=1e-3)


def test_a_constant_feature_gets_no_weight(rng) -> None:
    train, validation = random_problem(rng, 3)
    train.features[:, 2], validation.features[:, 2] = 1.25, 1.25
    head = fit(train, validation, "abc", [1.0], "toy").head
    assert not head.weight[:, 2].any() and np.isfinite(head.weight).all()


def test_features_that_are_nearly_always_zero_get_no_huge_weights(rng) -> None:
    """As behind a ReLU. By hand: scikit-learn's regression of features divided by one number."""
    train, validation = random_problem(rng, 3)
    for part in (train, validation):
        part.features[:, 2] = 0
    train.features[:5, 2] = 1e-4
    own = fit(train, validation, "abc", [1.0], "toy").head
    common = fit(train, validation, "abc", [1.0], "toy", "common").head
    assert np.abs(own.weight[:, 2]).max() > 100 * np.abs(common.weight).max()

    features = train.features.astype(np.float64)
    mean, deviation = features.mean(axis=0), np.sqrt(features.var(axis=0).mean())
    theirs = LogisticRegression(C=1.0, tol=1e-9, max_iter=9999)
    theirs.fit((features - mean) / deviation, train.labels)
    expected = theirs.predict_proba((validation.features - mean) / deviation)
    logits = torch.from_numpy(common.logits(validation.features))
    np.testing.assert_allclose(logits.softmax(dim=1).numpy(), expected, atol=1e-4)
