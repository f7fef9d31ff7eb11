"""The grid of α: a list of numbers, or how many lie evenly between two ends."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from tangent.arithmetic.alphas import alpha_grid
from tangent.jobs.keys import NonNegativeNumber, PositiveNumber, Section


class EvenGrid(Section):
    """Numbers at equal distances, both ends included."""

    minimum: NonNegativeNumber
    """Smallest α (protocol: 0)."""
    maximum: PositiveNumber
    """Largest α (protocol: 1.0)."""
    points: Annotated[int, Field(ge=2)]
    """Points of the grid (protocol: 21)."""


def _list_or_grid(value: Any) -> str:
    return "a list" if isinstance(value, list) else "a grid"


def _numbers(value: list[float] | EvenGrid) -> list[float]:
    if isinstance(value, EvenGrid):
        if value.minimum >= value.maximum:
            raise PydanticCustomError("ends", "must have a minimum below its maximum")
        value = alpha_grid(value.minimum, value.maximum, value.points)
    if len(set(value)) < len(value):
        raise PydanticCustomError("repeated_alpha", "must list each number once")
    if 0 not in value:
        raise PydanticCustomError("zero", "must hold 0: the pre-trained model is always admissible")
    return sorted(value)


Alphas = Annotated[
    Annotated[list[NonNegativeNumber], Field(min_length=2), Tag("a list")]
    | Annotated[EvenGrid, Tag("a grid")],
    Discriminator(_list_or_grid),
    AfterValidator(_numbers),
]
"""Ascending numbers, whichever way they were given."""
