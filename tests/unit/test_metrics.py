"""Accuracies against torch's own operations and against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tangent.jobs.errors import UserError
from tangent.models.heads.head import accuracy, normalized_accuracy, predictions
from tangent.models.heads.zero_shot import ZeroShotHead


def test_logits_are_those_of_the_zero_shot_head(rng: np.random.Generator) -> None:
    features = rng.normal(size=(7, 5)).astype(np.float32)
    features[3] = 0
    weight = 30 * rng.normal(size=(4, 5)).astype(np.float32)
    head = ZeroShotHead(weight)
    normalized = torch.nn.functional.normalize(torch.from_numpy(features), dim=-1)
    expected = (normalized @ torch.from_numpy(weight).T).numpy()
    ours = head.logits(features)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(predictions(features, head), ours.argmax(1))
    np.testing.assert_array_equal(predictions(7.5 * features, head), ours.argmax(1))


def test_accuracy_counts(rng: np.random.Generator) -> None:
    features, weight = rng.normal(size=(50, 5)), rng.normal(size=(4, 5))
    labels = rng.integers(0, 4, 50)
    correct = sum(
        int(np.argmax([f @ w for w in weight]) == label)
        for f, label in zip(features, labels, strict=True)
    )
    head = ZeroShotHead(weight)
    assert accuracy(features, labels, head) == correct / 50
    assert accuracy(features, predictions(features, head), head) == 1.0


def test_equal_logits_give_the_first_class() -> None:
    assert predictions(np.ones((1, 2)), ZeroShotHead(np.ones((3, 2)))).tolist() == [0]


def test_normalized_accuracy_is_a_mean_of_ratios() -> None:
    edited, single = {"a": 0.3, "b": 0.9}, {"b": 0.9, "a": 0.6}
    assert normalized_accuracy(edited, single) == pytest.approx((0.5 + 1.0) / 2)
    assert normalized_accuracy(edited, single) != pytest.approx(0.6 / 0.75)


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        (np.ones((3, 4)), [0, 1, 0], "do not fit a head"),
        (np.full((3, 2), np.nan), [0, 1, 0], "not finite"),
        (np.ones((3, 2)), [0, 1], "one label for each image"),
        (np.ones((0, 2)), [], "at least one image"),
        (np.ones((3, 2)), [0, 1, 5], "labels run from 0 to 5, but the head has 5"),
        (np.ones((3, 2)), [0, -1, 1], "labels run from -1"),
    ],
)
def test_bad_input_is_refused(features: np.ndarray, labels: list[int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        accuracy(features, np.array(labels), ZeroShotHead(np.ones((5, 2))))


@pytest.mark.parametrize(
    ("edited", "single", "message"),
    [
        ({"a": 0.5}, {"b": 0.5}, "same tasks"),
        ({}, {}, "at least one"),
        ({"a": 0.5}, {"a": 0.0}, "accuracy on a is 0"),
        ({"a": 0.5}, {"a": float("nan")}, "accuracy on a is nan"),
    ],
)
def test_what_cannot_be_normalized_is_refused(
    edited: dict[str, float], single: dict[str, float], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        normalized_accuracy(edited, single)
