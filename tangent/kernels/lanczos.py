"""Leading eigenpairs of a kernel that is known by its products alone (Lanczos); no torch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse.linalg import ArpackError, ArpackNoConvergence, LinearOperator, eigsh

from tangent.jobs.errors import UserError
from tangent.kernels.eigenfunctions import Eigenfunctions, check_rank
from tangent.kernels.gram_memory import lanczos_vectors

TOLERANCE = 100
"""Lanczos stops at residuals of so many units in the last place, relative to the eigenvalue."""

ROUNDING = 100
"""Eigenvalues of so many units in the last place of the largest are rounding errors, for any number
of rows: a product has those of its norm. What is above may still be inexact: see the residual."""

RESTARTS = 50
"""Restarts until Lanczos gives up: kernels have needed at most 3."""

LARGEST_RESIDUAL = 1e-2
"""Relative to the eigenvalues: by how much eigenfunctions differ from √n u_ρ on the sample."""


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
        check_rank(np.zeros(1), components, images, ROUNDING * precision)
        raise
    values, vectors = values[::-1].copy(), vectors[:, ::-1].copy()
    check_rank(values, components, images, ROUNDING * precision)
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
