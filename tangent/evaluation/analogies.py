"""Task analogies: “a is to b as c is to d”, so τ_d ≈ τ_c + τ_b − τ_a (beyond the paper)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Analogy:
    """Four tasks; the task vector of d plays no part.

    Attributes:
        a, b: the known pair.
        c: what d is to be derived from, as b from a.
        d: the task that θ0 + α(τ_c + τ_b − τ_a) is evaluated on.
    """

    a: str
    b: str
    c: str
    d: str

    @property
    def direction(self) -> dict[str, float]:
        """Coefficients of the task vectors."""
        return {self.c: 1.0, self.b: 1.0, self.a: -1.0}

    @property
    def baseline(self) -> dict[str, float]:
        """The direction to compare with: τ_c alone."""
        return {self.c: 1.0}
