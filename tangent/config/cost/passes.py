"""Passes of a model over images, counted in forward passes: a backward pass is 2, a tangent 2.

Trainings count as eager (`tangent.arithmetic.linearized` says what a compiled linear step shares).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Pass = Literal["forward", "text", "tangent", "gradient", "standard step", "linear step"]

COST: dict[Pass, int] = {
    "forward": 1,
    "text": 1,
    "tangent": 3,
    "gradient": 3,
    "standard step": 3,
    "linear step": 6,
}
"""Forward passes that one image (of `text`: one prompt) costs; a compiled linear step costs 5."""

TANGENT = 2
"""Forward passes that a tangent adds to the one that it shares with others."""

RECOMPUTATION = 0.6
"""Forward passes that activation checkpointing adds to a step: each block again up to its last
product."""


@dataclass(frozen=True)
class Work:
    """Passes of one kind.

    Attributes:
        kind: `forward` gives features, `tangent` J(x)·τ of one τ, `gradient` one logit's gradient
            of every image by itself, the steps are those of the two trainings. Products with
            several τ, eigenfunctions of several logits together, and those from products with the
            kernel count as so many `tangent`s and `gradient`s as have the same arithmetic.
        images: how many images go through it, repetitions counted; prompts for `text`.
    """

    kind: Pass
    images: float
