"""The tangent kernel against explicit Jacobians, eigenfunctions against their definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from families import FAMILIES, cast
from tangent_kernels import explicit_jacobian, perturbation, problem

from tangent.arithmetic.linearized import parameters_of
from tangent.jobs.errors import UserError
from tangent.kernels.eigenfunctions import Eigenfunctions
from tangent.kernels.gram import LogitGradients, classifier, ntk_gram
from tangent.kernels.localization import TangentEigenfunctions

families = pytest.mark.parametrize("family", FAMILIES)


@families
@pytest.mark.usefixtures("seed")
def test_gram_is_the_product_of_explicit_jacobians(family: str) -> None:
    model, x, head = problem(family)
    f, theta0, logits = classifier(model, head.on("cpu")), parameters_of(model), [2, 0]
    jacobian = explicit_jacobian(model, head, x)[:, logits]
    expected = np.einsum("icp,jcp->cij", jacobian, jacobian)
    gram = ntk_gram(f, theta0, x, logits=logits, chunk_size=2)
    np.testing.assert_allclose(gram, expected, rtol=1e-9, atol=1e-10 * abs(expected).max())
    for held in (None, 1, 2, 7):
        cross = ntk_gram(f, theta0, x[:2], x, logits=logits, chunk_size=3, held_images=held)
        np.testing.assert_allclose(cross, expected[:, :2], atol=1e-10 * abs(expected).max())
        parts = ntk_gram(f, theta0, x, logits=logits, chunk_size=3, held_images=held)
        np.testing.assert_allclose(parts, expected, rtol=1e-9, atol=1e-10 * abs(expected).max())


@families
@pytest.mark.usefixtures("seed")
def test_a_kernel_in_parts_is_symmetric_to_the_last_bit(family: str) -> None:
    """In float32, where gradients made in other chunks have other last bits."""
    model, x, head = problem(family, images=7)
    model, x = model.float(), cast(x, torch.float32)
    f = classifier(model, head.on("cpu"))
    gram = ntk_gram(f, parameters_of(model), x, logits=[1], chunk_size=2, held_images=1)
    assert torch.equal(gram, gram.mT)


@pytest.mark.usefixtures("seed")
def test_gradients_come_in_chunks_by_logit_and_image() -> None:
    model, x, head = problem("perceptron")
    f, theta0 = classifier(model, head.on("cpu")), parameters_of(model)
    jacobian = explicit_jacobian(model, head, x)
    chunks = list(LogitGradients(f, theta0, chunk_size=2).chunks(x, [3, 1]))
    assert [chunk[0].shape[1] for chunk in chunks] == [2, 2, 1]
    together = torch.cat([torch.cat(chunk, dim=2) for chunk in chunks], dim=1)
    np.testing.assert_allclose(together, jacobian[:, [3, 1]].swapaxes(0, 1), atol=1e-10)


@pytest.mark.parametrize(
    ("images", "logits", "message"),
    [(0, [0], "0 images"), (3, [], "0 logits"), (3, [4], "has 4"), (3, [-1], "has 4")],
)
@pytest.mark.usefixtures("seed")
def test_kernels_that_cannot_be_made_are_refused(
    images: int, logits: list[int], message: str
) -> None:
    model, x, head = problem("perceptron", classes=4)
    gradients = LogitGradients(classifier(model, head.on("cpu")), parameters_of(model))
    with pytest.raises(UserError, match=message):
        list(gradients.chunks(x[:images], logits))


def random_gram(rng: np.random.Generator, n: int) -> np.ndarray:
    factors = rng.normal(size=(n, 3 * n)) * np.exp(-np.arange(3 * n) / n)
    return factors @ factors.T


def test_eigenfunctions_reproduce_the_eigenvectors_on_the_sample(rng: np.random.Generator) -> None:
    n, k = 12, 5
    gram = random_gram(rng, n)
    fitted = Eigenfunctions.fit(gram, k)
    for value, vector in zip(fitted.eigenvalues, fitted.eigenvectors.T, strict=True):
        np.testing.assert_allclose(gram @ vector / n, value * vector, atol=1e-10 * gram.max())
        assert np.linalg.norm(vector) == pytest.approx(1)
    assert (np.diff(fitted.spectrum) <= 0).all()
    assert fitted.spectrum.sum() == pytest.approx(np.trace(gram) / n)
    extended = fitted.extend(gram)
    np.testing.assert_allclose(extended, np.sqrt(n) * fitted.eigenvectors, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(np.square(extended).mean(axis=0), np.ones(k))
    assert fitted.local_energy(gram).mean() == pytest.approx(k)


def test_extension_is_nystroms_sum(rng: np.random.Generator) -> None:
    n, m, k = 8, 3, 4
    everything = random_gram(rng, n + m)
    sample, cross = everything[:n, :n], everything[n:, :n]
    fitted = Eigenfunctions.fit(sample, k)
    energy = np.zeros(m)
    for x in range(m):
        for p in range(k):
            total = sum(cross[x, i] * fitted.eigenvectors[i, p] for i in range(n))
            phi = np.sqrt(n) / fitted.eigenvalues[p] * total / n
            assert fitted.extend(cross)[x, p] == pytest.approx(phi)
            energy[x] += phi**2
    np.testing.assert_allclose(fitted.local_energy(cross), energy)


def test_components_beyond_the_numerical_rank_are_refused(rng: np.random.Generator) -> None:
    factors = rng.normal(size=(10, 3))
    for dtype in (np.float32, np.float64):
        gram = (factors @ factors.T).astype(dtype)
        assert Eigenfunctions.fit(gram, 3).eigenvalues.min() > 0
        with pytest.raises(UserError, match="numerical rank 3"):
            Eigenfunctions.fit(gram, 4)


@pytest.mark.parametrize(
    ("gram", "components", "message"),
    [
        (np.eye(3), 4, "1 to 3"),
        (np.eye(3), 0, "1 to 3"),
        (np.zeros((3, 3)), 1, "numerical rank 0"),
        (np.ones((3, 2)), 1, "square"),
        (np.full((2, 2), np.nan), 1, "not finite"),
        (np.array([[1.0, 0.5], [0.2, 1.0]]), 1, "not symmetric"),
    ],
)
def test_what_is_no_kernel_is_refused(gram: np.ndarray, components: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Eigenfunctions.fit(gram, components)


def test_cross_kernels_of_another_sample_are_refused() -> None:
    with pytest.raises(UserError, match="one column for each"):
        Eigenfunctions.fit(np.eye(3), 2).extend(np.ones((5, 4)))


@families
@pytest.mark.parametrize("images_in_memory", [None, 1, 4])
@pytest.mark.usefixtures("seed")
def test_eigenfunctions_of_a_model_are_those_of_its_kernel_matrix(
    family: str, images_in_memory: int | None
) -> None:
    """Taking Nyström's sum in the space of weights changes nothing, nor does little memory."""
    model, x, head = problem(family, images=9)
    sample, held_out = x[:6], x[6:]
    f, theta0, logits, k = classifier(model, head.on("cpu")), parameters_of(model), [1, 3], 3
    size = sum(value.numel() * value.element_size() for value in theta0.values())
    memory = None if images_in_memory is None else images_in_memory * size
    seen: list[int] = []
    fitted = TangentEigenfunctions(
        f, theta0, sample, logits, k, memory, on_kernel=lambda: seen.append(0)
    )
    values = fitted.values_on([held_out], on_images=seen.append)[0]
    assert [seen.count(0), sum(seen)] == [2, 3]
    grams = ntk_gram(f, theta0, sample, logits=logits)
    cross = ntk_gram(f, theta0, held_out, sample, logits=logits)
    for index, ours in enumerate(fitted.per_kernel):
        expected = Eigenfunctions.fit(grams[index].numpy(), k)
        spectrum = expected.spectrum
        tolerance = max(1e-10, perturbation(spectrum, k))
        np.testing.assert_allclose(ours.spectrum, spectrum, atol=tolerance * spectrum[0])
        phi = np.abs(expected.extend(cross[index]))
        largest = phi.max()
        np.testing.assert_allclose(np.abs(values[index]), phi, atol=10 * tolerance * largest)
        energy = fitted.local_energy(held_out)[index]
        np.testing.assert_allclose(
            energy, np.square(phi).sum(axis=1), atol=100 * tolerance * largest**2
        )
        on_sample = np.sqrt(len(sample)) * ours.eigenvectors
        again = fitted.values_on([sample])[0][index]
        np.testing.assert_allclose(again, on_sample, atol=100 * tolerance)
