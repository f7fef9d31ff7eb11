"""Trainings and modes, as data: what is fine-tuned, and how the edited model is evaluated.

The paper has two trainings and three modes. A further training is an entry here, which gives a mode
of its name. A study has the modes that its configuration names, and the trainings that these need.
"""

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, TypeVar

from tangent.jobs.dependencies import Registry
from tangent.jobs.errors import UserError

T = TypeVar("T")

Model = Literal["plain", "linearized"]
"""`plain` is f(x; θ); `linearized` is f_lin(x; θ), its Taylor expansion at θ0."""


class Training(NamedTuple):
    """How task vectors are obtained.

    Attributes:
        model: what is trained; its weights θ* give the task vector.
        parameters: regular expression that is found in the names of the encoder's parameters that
            are trained; the others stay at θ0.
    """

    model: Model
    parameters: str = ""


class Mode(NamedTuple):
    """How task vectors are used.

    Attributes:
        trained_as: name of the training that gives them.
        evaluated_as: what is evaluated at θ0 + ατ.
    """

    trained_as: str
    evaluated_as: Model


TRAININGS: Registry[Training] = {
    "standard": Training("plain"),
    "linear": Training("linearized"),
}
"""By the name that paths, tables and the configuration have."""

POSTHOC = {"posthoc": "standard"}
"""Modes that linearize afterwards, and the training of their task vectors."""


def _modes() -> Iterator[tuple[str, Mode]]:
    """Each training's own mode, which evaluates what was trained, and those of `POSTHOC`."""
    for name, training in TRAININGS.items():
        yield name, Mode(name, training.model)
        for mode, trained_as in POSTHOC.items():
            if trained_as == name:
                yield mode, Mode(name, "linearized")


MODES = dict(_modes())
"""By the name that paths, tables, figures and texts have."""


def look_up(entries: Mapping[str, T], what: str, name: str) -> T:
    """The training or mode of a name.

    Raises:
        UserError: there is none.
    """
    if name not in entries:
        raise UserError(f"unknown {what} {name!r}: the {what}s are {', '.join(entries)}.")
    return entries[name]
