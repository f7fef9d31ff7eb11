"""Eigenfunctions of a kernel, extended by Nyström, and their local energy (section 6, figure 6).

With K_ij = k(x_i, x_j) on n images and eigenpairs (λ_ρ, u_ρ) of K/n, ‖u_ρ‖ = 1:
φ_ρ(x) = (√n / λ_ρ) (1/n) Σ_i k(x, x_i) u_ρi, so φ_ρ(x_j) = √n u_ρj and the mean of φ_ρ² over the
sample is 1.

A kernel of C logits together has C rows per image, K_(i,c)(j,c') = k_cc'(x_i, x_j), and its
eigenfunctions are vectors: φ_ρ(x)_c = (√n / λ_ρ) (1/n) Σ_(i,c') k_cc'(x, x_i) u_ρ(i,c'). Then the
mean of ‖φ_ρ‖² over the sample is 1. Rows are in the order of the images, logits within an image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import ArpackError, ArpackNoConvergence, LinearOperator, eigsh

from tangent.jobs.errors import UserError
from tangent.kernels.kernel_cost import lanczos_vectors

TOLERANCE = 100
"""Lanczos stops at residuals of so many units in the last place, relative to the eigenvalue."""

ROUNDING = 100
"""Eigenvalues of so many units in the last place of the largest are rounding errors, for any number
of rows: a product has those of its norm. What is above may still be inexact: see the residual."""

RESTARTS = 50
"""Restarts until Lanczos gives up: kernels have needed at most 3."""

LARGEST_RESIDUAL = 1e-2
"""Relative to the eigenvalues: by how much eigenfunctions differ from √n u_ρ on the sample."""


@dataclass(frozen=True)
class Eigenfunctions:
    """The leading eigenfunctions of a kernel on a sample (numpy only, float64).

    Attributes:
        eigenvalues: λ_ρ of K/n, largest first [components].
        eigenvectors: u_ρ, of unit norm, one a column [n·C, components].
        spectrum: the eigenvalues of K/n that are known, largest first: all [n·C], or only the
            leading ones where no kernel matrix was made [components].
        outputs: C, the rows of K per image.
    """

    eigenvalues: np.ndarray
    eigenvectors: np.ndarray
    spectrum: np.ndarray
    outputs: int = 1

    @classmethod
    def fit(cls, gram: np.ndarray, components: int, outputs: int = 1) -> Eigenfunctions:
        """Eigenpairs of K/n.

        Args:
            gram: K [n·C, n·C], symmetric and positive semi-definite up to rounding.
            components: how many eigenfunctions to keep, at most n·C.
            outputs: C, the rows of K per image.

        Raises:
            UserError: K is not square, symmetric and finite, or its numerical rank is less than
                `components`: eigenfunctions divide by the eigenvalue, so those of rounding noise
                mean nothing.
        """
        kernel = np.asarray(gram)
        # Entries carry the rounding errors of the type they were computed in.
        precision = np.finfo(kernel.dtype if kernel.dtype.kind == "f" else np.float64).eps
        kernel = kernel.astype(np.float64)
        _check_kernel(kernel, precision)
        rows = len(kernel)
        images = rows // outputs
        if not 1 <= components <= rows:
            raise UserError(
                f"{components} eigenfunctions were asked for: a kernel of {images} images has 1 to "
                f"{rows}."
            )
        values, vectors = np.linalg.eigh((kernel + kernel.T) / (2 * images))
        spectrum, vectors = values[::-1].copy(), vectors[:, ::-1][:, :components].copy()
        _check_rank(spectrum, components, images, rows * precision)
        return cls(spectrum[:components].copy(), vectors, spectrum, outputs)

    @property
    def images(self) -> int:
        """n, the images of the sample."""
        return len(self.eigenvectors) // self.outputs

    @property
    def coefficients(self) -> np.ndarray:
        """A [n·C, components] with φ_ρ(x) = Σ_i k(x, x_i) A_iρ."""
        return self.eigenvectors / (np.sqrt(self.images) * self.eigenvalues)

    def extend(self, cross_gram: np.ndarray) -> np.ndarray:
        """φ_ρ on any images [m·C, components].

        Args:
            cross_gram: k(x, x_i) [m·C, n·C], images in rows and the sample in columns.

        Raises:
            UserError: the number of columns is not that of the sample.
        """
        cross = np.asarray(cross_gram, dtype=np.float64)
        if cross.ndim != 2 or cross.shape[1] != len(self.eigenvectors):
            raise UserError(
                f"a kernel matrix of shape {cross.shape} cannot extend eigenfunctions of "
                f"{len(self.eigenvectors)} rows: it needs one column for each of them."
            )
        return cross @ self.coefficients

    def local_energy(self, cross_gram: np.ndarray) -> np.ndarray:
        """E_loc(x) = Σ_ρ ‖φ_ρ(x)‖² over the kept components [m].

        Its mean over the sample is the number of components. Args and errors are those of `extend`.
        """
        energies = np.square(self.extend(cross_gram)).sum(axis=1)
        return energies.reshape(-1, self.outputs).sum(axis=1)


def leading_eigenfunctions(
    multiply: Callable[[np.ndarray], np.ndarray],
    images: int,
    components: int,
    precision: float,
    outputs: int = 1,
) -> tuple[Eigenfunctions, float]:
    """Eigenpairs of K/n by restarted Lanczos with a fixed start vector, and how exact they are.

    Args:
        multiply: v [n·C] to K v, both float64.
        images: n.
        components: how many eigenfunctions, fewer than K has rows.
        precision: relative rounding error of the products.
        outputs: C, rows of K per image.

    Returns:
        The eigenfunctions, whose spectrum is what was asked for and no more, and their residual
        sqrt(Σ_ρ ‖(K/n) u_ρ − λ_ρ u_ρ‖² / λ_ρ²), as one further product with a combination of all of
        them by random signs estimates it.

    Raises:
        UserError: Lanczos does not converge or its eigenpairs are not exact to 1 %, the numerical
            rank of K is less than `components`, or K has no more rows than that.
    """
    rows = images * outputs
    if not 1 <= components < rows:
        raise UserError(
            f"{components} eigenfunctions were asked for: products with a kernel of {rows} rows "
            f"give 1 to {rows - 1}."
        )
    # RandomState and not default_rng: numpy promises that its streams never change.
    random = np.random.RandomState(0)
    kernel = LinearOperator((rows, rows), lambda v: multiply(v.ravel()) / images, dtype=np.float64)
    try:
        values, vectors = eigsh(
            kernel,
            components,
            which="LA",
            v0=random.standard_normal(rows),
            ncv=lanczos_vectors(rows, components),
            maxiter=RESTARTS,
            tol=TOLERANCE * precision,
            rng=0,
        )
    except ArpackNoConvergence as error:
        raise UserError(
            f"Lanczos found {len(error.eigenvalues)} of {components} eigenfunctions in {RESTARTS} "
            "restarts, because the kernel's eigenvalues hardly differ: ask for fewer components "
            "(eigenfunctions.components)."
        ) from error
    except ArpackError:  # no start vector is left: the kernel is zero
        _check_rank(np.zeros(1), components, images, ROUNDING * precision)
        raise
    values, vectors = values[::-1].copy(), vectors[:, ::-1].copy()
    _check_rank(values, components, images, ROUNDING * precision)
    signs = random.choice([-1.0, 1.0], components)
    combined = vectors @ (signs / values)
    residual = float(np.linalg.norm(kernel @ combined - vectors @ signs))
    if residual > LARGEST_RESIDUAL:
        raise UserError(
            f"the kernel's {components} leading eigenpairs are exact only to {residual:.1g} of "
            "their eigenvalues, because the last of these are lost in rounding: ask for fewer "
            "components (eigenfunctions.components)."
        )
    return Eigenfunctions(values, vectors, values, outputs), residual


def _check_rank(spectrum: np.ndarray, components: int, images: int, rounding: float) -> None:
    """Refuse eigenfunctions of rounding noise: they divide by the eigenvalue and mean nothing.

    Args:
        spectrum: the eigenvalues that are known, largest first.
        components: how many eigenfunctions are wanted.
        images: n, for the message.
        rounding: eigenvalues up to this are rounding errors, relative to the largest one.

    Raises:
        UserError: fewer than `components` eigenvalues are above rounding.
    """
    rank = int(np.sum(spectrum > rounding * max(spectrum[0], 0.0)))
    if rank < components:
        raise UserError(
            f"the kernel of {images} images has numerical rank {rank}, so it defines only {rank} "
            f"eigenfunctions, not {components}: ask for fewer components "
            "(eigenfunctions.components) or remove repeated images."
        )


def _check_kernel(kernel: np.ndarray, precision: float) -> None:
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1] or len(kernel) == 0:
        raise UserError(f"a kernel matrix is square; this one has shape {kernel.shape}.")
    if not np.isfinite(kernel).all():
        raise UserError(
            "the kernel matrix has entries that are not finite: the model's weights or the images "
            "are damaged."
        )
    asymmetry = np.abs(kernel - kernel.T).max()
    if asymmetry > 1e3 * precision * max(np.abs(kernel).max(), np.finfo(np.float64).tiny):
        raise UserError(
            f"the kernel matrix is not symmetric (entries differ by up to {asymmetry:.3g}): give "
            "the kernel of one set of images with itself."
        )
