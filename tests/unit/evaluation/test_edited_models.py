"""Plain and linearized edited models against models whose weights the test sets by hand."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from tangent.arithmetic.task_vector import TaskVector
from tangent.data.split import Split
from tangent.evaluation.edited_linearized import LinearizedEditedModel
from tangent.evaluation.edited_plain import PlainEditedModel
from tangent.evaluation.feature_tables import (
    StoredProducts,
    stored_features,
)
from tangent.evaluation.features import Images, StoredExamples
from tangent.evaluation.kept_images import image_budget
from tangent.jobs.errors import UserError
from tangent.models.families import preprocess_config

COEFFICIENTS = [{"red": 1.0}, {"red": -0.4, "blue": 2.0}, {"sum": 0.3}, {"green": 0.0}, {}]


class CountingEncoder(torch.nn.Module):
    """Counts the passes of an encoder."""

    def __init__(self, encoder: torch.nn.Module) -> None:
        super().__init__()
        self.encoder, self.passes = encoder, 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.passes += 1
        return self.encoder(images)


def load_images(study) -> StoredExamples:
    return StoredExamples(study.root / "datasets", preprocess_config(study.root / "pretrained"))


def vectors(study) -> dict[str, TaskVector]:
    """Those of the tasks, and their sum."""
    return study.task_vectors | {"sum": TaskVector.sum(study.task_vectors.values())}


@pytest.fixture
def plain(study) -> PlainEditedModel:
    return PlainEditedModel(
        copy.deepcopy(study.model), vectors(study), load_images(study), batch_size=16
    )


@pytest.fixture
def linearized(study) -> LinearizedEditedModel:
    features, products = (
        {folder.name: folder for folder in (study.root / name).iterdir()}
        for name in ("features", "products")
    )
    return LinearizedEditedModel(stored_features(features), StoredProducts(products))


@pytest.mark.parametrize("coefficients", COEFFICIENTS)
def test_plain_equals_a_copy_with_weights_set_by_hand(study, plain, coefficients):
    by_hand = copy.deepcopy(study.model)
    by_hand.load_state_dict(study.edited(coefficients))
    with torch.no_grad():
        expected = by_hand(study.images("blue", "test")).numpy()
    plain.features({"green": 3.0}, "red", "validation")  # the weights have been elsewhere
    features = plain.features(coefficients, "blue", "test")
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, expected, atol=2e-5)
    rows = np.array([7, 2, 30])
    np.testing.assert_allclose(
        plain.features(coefficients, "blue", "test", rows), expected[rows], atol=2e-5
    )


@pytest.mark.parametrize("coefficients", COEFFICIENTS)
def test_linearized_equals_the_taylor_expansion_at_the_edited_weights(
    study, linearized, coefficients
):
    expected = study.oracle("linear", coefficients, "green", "validation").numpy()
    features = linearized.features(coefficients, "green", "validation")
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, expected, atol=5e-5)
    rows = np.array([7, 2, 30])
    np.testing.assert_array_equal(
        linearized.features(coefficients, "green", "validation", rows), features[rows]
    )


def test_a_line_goes_through_the_models_at_its_coefficients(study, linearized, rng):
    names = ("red", "green", "blue", "sum")
    direction, origin = (dict(zip(names, rng.normal(size=4), strict=True)) for _ in range(2))
    at = linearized.line(direction, "blue", "validation", origin)
    for alpha in (0.0, 1.0, float(rng.normal())):
        point = {name: origin[name] + alpha * direction[name] for name in names}
        expected = study.oracle("linear", point, "blue", "validation").numpy()
        np.testing.assert_allclose(at(alpha), expected, rtol=1e-3, atol=1e-4)
    # Task addition has the same bits by either way.
    alpha = float(rng.uniform())
    shared = linearized.line({"sum": 1.0}, "red", "test")
    expected = linearized.features({"sum": alpha}, "red", "test")
    np.testing.assert_array_equal(shared(alpha), expected)


def test_looking_up_features_leaves_the_tables_alone(linearized):
    before = linearized.features({}, "red", "test").copy()
    linearized.features({"red": 5.0}, "red", "test")
    np.testing.assert_array_equal(linearized.features({}, "red", "test"), before)


def test_known_answers_cost_no_pass_and_images_are_loaded_once(study):
    encoder = CountingEncoder(copy.deepcopy(study.model))
    task_vectors = {
        name: {f"encoder.{key}": value for key, value in tau.items()}
        for name, tau in vectors(study).items()
    }
    loaded = []
    load = load_images(study)

    def counting_load(dataset: str, split: str, rows: np.ndarray | None) -> Images:
        loaded.append((dataset, split))
        return load(dataset, split, rows)

    initial = {("red", "test"): np.zeros((50, 12), np.float32)}
    plain = PlainEditedModel(encoder, task_vectors, counting_load, initial, batch_size=50)
    assert plain.features({"red": 0.0, "sum": 0.0}, "red", "test").max() == 0
    assert (encoder.passes, loaded) == (0, [])
    for alpha in (0.5, 1.0, 1.0):
        plain.features({"red": alpha}, "red", "test")
    assert (encoder.passes, loaded) == (3, [("red", "test")])


def test_images_that_are_kept_give_the_same_bits_and_are_read_once(study, monkeypatch, rng):
    """Against images that are read in every pass, with whole splits and with some rows."""
    read = []
    monkeypatch.setattr(Split, "read", counting(Split.read, read))
    rows = rng.permutation(50)[:37]
    size = 3 * 16 * 16
    found = {}
    for budget in (0, 50 * size + 36 * size, None):  # none fits, the first one does, both do
        encoder = copy.deepcopy(study.model)
        plain = PlainEditedModel(
            encoder, vectors(study), load_images(study), batch_size=16, image_bytes=budget
        )
        read.clear()
        found[budget] = [
            plain.features({"sum": alpha}, "blue", "test", wanted)
            for alpha in (0.3, 0.7, -0.2)
            for wanted in (None, rows)
        ]
        times = {0: (3, 3), 50 * size + 36 * size: (1, 3), None: (1, 1)}[budget]
        assert sum(read) == times[0] * 50 + times[1] * 37
    for features in list(found.values())[1:]:
        for kept, streamed in zip(features, found[0], strict=True):
            np.testing.assert_array_equal(kept, streamed)


def counting(read, counts: list[int]):
    def counted(self, rows):
        counts.append(len(rows))
        return read(self, rows)

    return counted


def test_a_pass_that_ends_early_leaves_no_gap_in_images_that_are_kept(study):
    load = load_images(study)
    images, expected = (load("blue", "test") for _ in range(2))
    images.keep()
    next(images.batches(16))
    for size in (7, 50, 16):
        assert torch.equal(torch.cat(list(images.batches(size))), expected.whole())


def test_unknown_vectors_and_data_sets_are_refused_by_name(study, plain, linearized):
    for edited in (plain, linearized):
        with pytest.raises(UserError, match="'violet'.*red"):
            edited.features({"violet": 0.0}, "red", "test")
    with pytest.raises(UserError, match="'violet'"):
        linearized.features({}, "violet", "test")
    with pytest.raises(UserError, match=r"violet.test\.safetensors does not exist"):
        plain.features({"red": 1.0}, "violet", "test")
    with pytest.raises(UserError, match=r"features.red.train\.safetensors does not exist"):
        linearized.features({}, "red", "train")
    products = StoredProducts({"red": study.root / "products" / "red"})
    features = stored_features({"blue": study.root / "features" / "blue"})
    other = LinearizedEditedModel(features, products)
    with pytest.raises(UserError, match="no products on data set 'blue', only on red: .*DATASET="):
        other.features({"red": 1.0}, "blue", "test")


def test_a_task_vector_of_another_model_is_refused(study):
    foreign = {name: value[..., :-1] for name, value in study.task_vectors["red"].items()}
    plain = PlainEditedModel(copy.deepcopy(study.model), {"red": foreign}, load_images(study))
    with pytest.raises(UserError, match="same model"):
        plain.features({"red": 1.0}, "red", "test")


def test_products_of_other_images_are_refused(study):
    initial = {("red", "test"): np.zeros((50, 12), np.float32)}
    products = {"red": {("red", "test"): np.zeros((49, 12), np.float32)}}
    with pytest.raises(UserError, match=r"\(49, 12\)"):
        LinearizedEditedModel(initial, products).features({"red": 1.0}, "red", "test")


@pytest.mark.parametrize(("memory", "budget"), [(24, 3), (139, 16)])
def test_a_gpus_memory_is_not_filled_with_images(memory, budget):
    assert image_budget("cuda", memory * 2**30) == budget * 2**30
    assert image_budget("cpu", 0) == 2**30
