"""The three modes of the paper, as data: two trainings, three evaluations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tangent.jobs.errors import UserError

Training = Literal["standard", "linear"]
Evaluation = Literal["plain", "linearized"]


@dataclass(frozen=True)
class Mode:
    """How task vectors are obtained and how the edited model is evaluated.

    Attributes:
        name: the mode's name, in paths, tables, figures and texts.
        trained_as: which fine-tuning gives the task vectors.
        evaluated_as: `plain` is f(x; θ0 + ατ); `linearized` is f_lin(x; θ0 + ατ).
    """

    name: str
    trained_as: Training
    evaluated_as: Evaluation


MODES: dict[str, Mode] = {
    mode.name: mode
    for mode in (
        Mode("standard", "standard", "plain"),
        Mode("posthoc", "standard", "linearized"),
        Mode("linear", "linear", "linearized"),
    )
}


def get_mode(name: str) -> Mode:
    """Look a mode up by name.

    Raises:
        UserError: there is no such mode.
    """
    try:
        return MODES[name]
    except KeyError:
        raise UserError(f"unknown mode {name!r}: the modes are {', '.join(MODES)}.") from None
