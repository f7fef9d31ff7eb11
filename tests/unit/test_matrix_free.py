"""Eigenfunctions from products with the kernel, against materialised Jacobians and kernels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from families import FAMILIES
from tangent_kernels import explicit_jacobian, perturbation, problem
from torch import Tensor, nn

from tangent.arithmetic.linearized import parameters_of
from tangent.jobs.errors import UserError
from tangent.kernels import kernel_cost
from tangent.kernels.eigenfunctions import Eigenfunctions, leading_eigenfunctions
from tangent.kernels.gram import LogitGradients, classifier
from tangent.kernels.localization import TangentEigenfunctions
from tangent.kernels.matrix_free import MatrixFreeEigenfunctions, TangentOperator
from tangent.models.heads.head import Head

EPSILON = np.finfo(np.float64).eps

families = pytest.mark.parametrize("family", FAMILIES)


def rows_of(model: nn.Module, head: Head, x: Tensor, logits: list[int]) -> np.ndarray:
    """∂logits/∂θ with a row for each image and logit [n·C, P], by torch's own Jacobian."""
    jacobian = explicit_jacobian(model, head, x)[:, logits]
    return jacobian.reshape(-1, jacobian.shape[2])


@families
@pytest.mark.parametrize("logits", [[2], [3, 0], [0, 1, 2, 3]])
def test_products_are_those_of_the_explicit_jacobian(
    family: str, logits: list[int], rng: np.random.Generator
) -> None:
    model, x, head = problem(family, images=7)
    jacobian = rows_of(model, head, x, logits)
    operator = TangentOperator(
        classifier(model, head.on("cpu")), parameters_of(model), logits, int(rng.integers(1, 9))
    )
    cotangents = rng.normal(size=(3, len(jacobian)))
    directions = operator.transposed(x, torch.from_numpy(cotangents).view(3, 7, -1))
    flat = torch.cat([value.flatten(1) for value in directions], dim=1).numpy()
    expected = cotangents @ jacobian
    np.testing.assert_allclose(flat, expected, rtol=1e-10, atol=1e-12 * abs(expected).max())
    along = torch.cat(list(operator.along(directions, x)), dim=1).flatten(1).numpy()
    expected = expected @ jacobian.T
    np.testing.assert_allclose(along, expected, rtol=1e-10, atol=1e-12 * abs(expected).max())
    product = operator.kernel_product(x, cotangents[1])
    np.testing.assert_allclose(product, expected[1], rtol=1e-10, atol=1e-12 * abs(expected).max())


@families
@pytest.mark.usefixtures("seed")
def test_a_joint_kernel_has_a_row_for_each_image_and_logit(family: str) -> None:
    model, x, head = problem(family, images=5)
    f, theta0, logits = classifier(model, head.on("cpu")), parameters_of(model), [3, 0, 1]
    jacobian = rows_of(model, head, x, logits)
    expected = jacobian @ jacobian.T
    gradients = LogitGradients(f, theta0, 2)
    for held in (None, 1, 2):
        gram = gradients.gram(x, None, logits, held)
        np.testing.assert_allclose(gram, expected, atol=1e-12 * expected.max())
        cross = gradients.gram(x[:2], x, logits, held)
        np.testing.assert_allclose(cross, expected[:6], atol=1e-12 * expected.max())


@families
@pytest.mark.parametrize("logits", [[1, 3], "all"])
def test_both_methods_give_the_eigenfunctions_of_the_explicit_kernel(
    family: str, logits, rng: np.random.Generator
) -> None:
    """Eigenpairs, values and local energies, in little and in much memory."""
    model, x, head = problem(family, images=8)
    f, theta0, k, n = classifier(model, head.on("cpu")), parameters_of(model), 3, 6
    sample, held_out = x[:n], x[n:]
    kernels = [[0, 1, 2, 3]] if logits == "all" else [[logit] for logit in logits]
    size = sum(value.numel() * value.element_size() for value in theta0.values())
    budget = int(rng.integers(1, 8)) * size
    ways = [
        TangentEigenfunctions(f, theta0, sample, logits, k),
        TangentEigenfunctions(f, theta0, sample, logits, k, budget),
        MatrixFreeEigenfunctions(f, theta0, sample, logits, k),
        MatrixFreeEigenfunctions(f, theta0, sample, logits, k, budget),
    ]
    jacobian = explicit_jacobian(model, head, x)
    for index, of_kernel in enumerate(kernels):
        rows, others = (
            part[:, of_kernel].reshape(-1, part.shape[2]) for part in (jacobian[:n], jacobian[n:])
        )
        spectrum, vectors = np.linalg.eigh(rows @ rows.T / n)
        spectrum, vectors = spectrum[::-1], vectors[:, ::-1][:, :k]
        # Not above the floor where eigenvalues are well apart.
        tolerance = max(1e-10, perturbation(spectrum, k))
        phi = (others @ rows.T) @ vectors / (np.sqrt(n) * spectrum[:k])
        per_image = np.square(phi).reshape(len(held_out), -1).sum(axis=1)
        on_sample = n * np.square(vectors).reshape(n, -1).sum(axis=1)
        for way in ways:
            fitted = way.per_kernel[index]
            np.testing.assert_allclose(fitted.eigenvalues, spectrum[:k], rtol=tolerance)
            np.testing.assert_allclose(abs(fitted.eigenvectors), abs(vectors), atol=tolerance)
            known = len(fitted.spectrum)
            assert known == (len(rows) if isinstance(way, TangentEigenfunctions) else k)
            floor = tolerance * spectrum[0]
            np.testing.assert_allclose(fitted.spectrum, spectrum[:known], atol=floor)
            values = way.values_on([held_out])[0]
            values = values if way.is_joint else values[[index]]
            np.testing.assert_allclose(
                abs(values.transpose(1, 0, 2)).reshape(phi.shape),
                abs(phi),
                atol=10 * tolerance * abs(phi).max(),
            )
            energies = way.local_energies([held_out, sample])
            for found, expected in zip(energies, (per_image, on_sample), strict=True):
                assert found.shape == (len(kernels), len(expected))
                scale = expected.max()  # an image may have little energy, from small differences
                np.testing.assert_allclose(found[index], expected, atol=100 * tolerance * scale)
            assert energies[1][index].mean() == pytest.approx(k, rel=100 * tolerance)


@pytest.mark.usefixtures("seed")
@pytest.mark.parametrize("logits", [[2], "all"])
def test_float32_gives_the_energies_of_float64(logits) -> None:
    model, x, head = problem("vision transformer", images=14)
    sample, others = x[:10], x[10:]
    exact = MatrixFreeEigenfunctions(
        classifier(model, head.on("cpu")), parameters_of(model), sample, logits, 3
    ).local_energy(others)
    model = model.float()
    f, theta0 = classifier(model, head.on("cpu")), parameters_of(model)
    ours = MatrixFreeEigenfunctions(f, theta0, sample.float(), logits, 3)
    np.testing.assert_allclose(ours.local_energy(others.float()), exact, rtol=2e-3)
    assert 0 < ours.residual < 1e-3
    again = MatrixFreeEigenfunctions(f, theta0, sample.float(), logits, 3)
    for first, second in zip(ours.per_kernel, again.per_kernel, strict=True):
        assert np.array_equal(first.eigenvectors, second.eigenvectors)


@pytest.mark.usefixtures("seed")
def test_progress_counts_products_and_images() -> None:
    model, x, head = problem("perceptron", images=9)
    f, theta0 = classifier(model, head.on("cpu")), parameters_of(model)
    products: list[int] = []
    seen: list[int] = []
    found = MatrixFreeEigenfunctions(
        f, theta0, x, [0, 2], 3, memory=1, on_product=lambda: products.append(1)
    )
    assert len(products) == found.products > 2 * 3
    found.local_energies([x, x[:4]], seen.append)
    assert sum(seen) == found.passes * 13 and found.passes == 2 * 3  # kernels and components


@pytest.mark.usefixtures("seed")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", [TangentEigenfunctions, MatrixFreeEigenfunctions])
def test_repeated_images_define_no_further_eigenfunctions(dtype, kind) -> None:
    model, x, head = problem("vision transformer", images=3)
    model, repeated = model.to(dtype), x.repeat(3, 1, 1, 1).to(dtype)
    f, theta0 = classifier(model, head.on("cpu")), parameters_of(model)
    kind(f, theta0, repeated, [1], 2)
    with pytest.raises(UserError, match="numerical rank 3.*remove repeated images"):
        kind(f, theta0, repeated, [1], 4)


@pytest.mark.usefixtures("seed")
@pytest.mark.parametrize(
    ("images", "logits", "components", "message"),
    [
        (3, [4], 1, "the head has 4"),
        (3, [], 1, "0 logits"),
        (0, "all", 1, "0 images"),
        (3, [1], 3, "3 eigenfunctions were asked for: .* 3 rows give 1 to 2"),
        (2, "all", 8, "8 eigenfunctions were asked for: .* 8 rows give 1 to 7"),
    ],
)
def test_eigenfunctions_that_cannot_be_found_are_refused(
    images: int, logits, components: int, message: str
) -> None:
    model, x, head = problem("perceptron", classes=4)
    f, theta0 = classifier(model, head.on("cpu")), parameters_of(model)
    with pytest.raises(UserError, match=message):
        MatrixFreeEigenfunctions(f, theta0, x[:images], logits, components)


@pytest.mark.usefixtures("seed")
def test_damaged_images_are_refused() -> None:
    model, x, head = problem("perceptron")
    x[1, 2] = torch.nan
    with pytest.raises(UserError, match="not finite"):
        MatrixFreeEigenfunctions(classifier(model, head.on("cpu")), parameters_of(model), x, [0], 2)


class WithoutForwardMode(torch.autograd.Function):
    """The identity, with a backward pass only."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        pass

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient


@pytest.mark.usefixtures("seed")
def test_a_model_without_forward_mode_is_named() -> None:
    theta0 = {"w": torch.randn(5, 4)}
    with pytest.raises(UserError, match="no forward-mode derivative"):
        MatrixFreeEigenfunctions(
            lambda theta, x: WithoutForwardMode.apply(x @ theta["w"]),
            theta0,
            torch.randn(6, 5),
            [0],
            2,
        )


def test_lanczos_agrees_with_the_dense_solver(rng: np.random.Generator) -> None:
    images, outputs, k = 40, 3, 7
    rows = images * outputs
    factors = rng.normal(size=(rows, 2 * rows)) * np.exp(-np.arange(2 * rows) / 20)
    gram = factors @ factors.T
    expected = Eigenfunctions.fit(gram, k, outputs)
    found, residual = leading_eigenfunctions(lambda v: gram @ v, images, k, EPSILON, outputs)
    np.testing.assert_allclose(found.eigenvalues, expected.eigenvalues, rtol=1e-10)
    np.testing.assert_allclose(abs(found.eigenvectors), abs(expected.eigenvectors), atol=1e-8)
    np.testing.assert_allclose(found.local_energy(gram), expected.local_energy(gram), rtol=1e-7)
    assert residual < 1e-10


def test_the_residual_is_that_of_products_that_are_not_exact(rng: np.random.Generator) -> None:
    spectrum = 1 / np.arange(1, 101)

    def multiply(noise: float):
        return lambda v: (
            100 * (spectrum * v + noise * rng.normal(size=100) * np.linalg.norm(v) / 10)
        )

    _, residual = leading_eigenfunctions(multiply(1e-7), 100, 5, 1e-6)
    assert 1e-8 < residual < 1e-5
    with pytest.raises(UserError, match="exact only to .* fewer components"):
        leading_eigenfunctions(multiply(1e-2), 100, 5, 1e-3)


def test_many_rows_do_not_make_exact_eigenpairs_rounding_errors(rng: np.random.Generator) -> None:
    """20,000 rows and an eigenvalue of 0.2 % of the largest, by products in float32."""
    rows, spectrum = 20_000, np.arange(1.0, 61) ** -1.6
    basis, _ = np.linalg.qr(rng.normal(size=(rows, 60)))
    half = (basis * np.sqrt(rows * spectrum)).astype(np.float32)
    exact = np.linalg.svd(half.astype(np.float64), compute_uv=False)[:50] ** 2 / rows

    def multiply(v: np.ndarray) -> np.ndarray:
        return (half @ (half.T @ v.astype(np.float32))).astype(np.float64)

    found, residual = leading_eigenfunctions(multiply, rows, 50, np.finfo(np.float32).eps)
    np.testing.assert_allclose(found.eigenvalues, exact, rtol=1e-5)
    assert residual < 1e-3
    with pytest.raises(UserError, match="numerical rank 60"):
        leading_eigenfunctions(multiply, rows, 65, np.finfo(np.float32).eps)


def test_eigenvalues_that_hardly_differ_are_refused() -> None:
    spectrum = np.linspace(1, 2, 3000)
    with pytest.raises(UserError, match="of 10 eigenfunctions in 50 restarts.*fewer components"):
        leading_eigenfunctions(lambda v: spectrum * v, 3000, 10, EPSILON)


@pytest.mark.parametrize("components", [1, 10, 50])
def test_products_are_about_as_many_as_the_estimate_says(components: int) -> None:
    """Of a spectrum that falls as the kernels' do."""
    count = 0
    spectrum = 1 / np.arange(1, 2001)

    def multiply(v: np.ndarray) -> np.ndarray:
        nonlocal count
        count += 1
        return spectrum * v

    leading_eigenfunctions(multiply, 2000, components, 1e-7)
    assert 0.6 < count / kernel_cost.products(2000, components) < 1.5
    assert kernel_cost.lanczos_vectors(2000, components) < count


VIT_B_32 = 4 * 87_849_216


@pytest.mark.parametrize(
    ("images", "outputs", "components", "weights", "device", "method"),
    [
        (100, 1, 10, 4 * 2_747_136, "cpu", "dense"),  # the demo
        (200, 1, 10, VIT_B_32, "cuda", "dense"),  # configs/paper.yaml
        (200, 1, 10, VIT_B_32, "cpu", "dense"),
        (2000, 45, 50, VIT_B_32, "cuda", "matrix-free"),
        (200, 45, 10, VIT_B_32, "cuda", "matrix-free"),  # 45 gradients of an image are too many
        (80, 10, 10, 4 * 2_747_136, "cpu", "dense"),
        (120, 10, 10, 4 * 2_747_136, "cpu", "matrix-free"),  # inner products of 1,200 gradients
        (6000, 1, 10, 4 * 2_747_136, "cuda", "matrix-free"),  # a large matrix
        (2000, 1, 10, VIT_B_32, "cpu", "matrix-free"),  # gradients would be made too often
        (4, 2, 8, 4 * 2_747_136, "cpu", "dense"),  # Lanczos finds 7 of 8
    ],
)
def test_the_method_is_a_function_of_sizes(images, outputs, components, weights, device, method):
    held = kernel_cost.gradients_held(weights, kernel_cost.GRADIENT_BYTES[device])
    assert kernel_cost.kernel_method(images, outputs, components, held) == method


def test_bounded_memory_stands_against_all_gradients() -> None:
    """The issue's size: 2,000 images and 45 outputs of ViT-B-32."""
    budget = kernel_cost.GRADIENT_BYTES["cuda"]
    dense = 90_000 * VIT_B_32 + 8 * 90_000**2
    bound = kernel_cost.matrix_free_bytes(2000, 45, VIT_B_32, 50, budget)
    assert bound == 18 * VIT_B_32 + 8 * 90_000 * 101
    twice = kernel_cost.matrix_free_bytes(4000, 45, VIT_B_32, 50, budget)
    assert twice - bound == 8 * 90_000 * 101
    assert dense > 4000 * bound
