"""Registry of the families whose edited models can be exported: how, and what to say of others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tangent.jobs.dependencies import Registry
from tangent.models.export import clip_export


class Exporter(NamedTuple):
    """How a family's models are exported.

    Attributes:
        write: the whole model of a folder to another one, at θ0 + coefficient·τ or, without τ, at
            θ0 and in one format alone; returns why a second format is left out, if it must be.
        base: what a model's folder says of where the model is from.
    """

    write: Callable[..., str | None]
    base: Callable[[Path], Mapping[str, Any]]


EXPORTERS: Registry[Exporter] = {"clip": Exporter(clip_export.write, clip_export.base)}
"""By the family's name, a key of `tangent.models.families.FAMILIES`."""


def unsupported(model: str, family: str) -> str:
    """Why a model of a family that has no exporter is not exported, and what there is."""
    return (
        f"{model!r} is of the family {family}, but only {' and '.join(EXPORTERS)} is exported: take"
        " the encoder (resources/pretrained/…/encoder.safetensors) and, of the study's results,"
        " task_vectors/ and heads/"
    )
