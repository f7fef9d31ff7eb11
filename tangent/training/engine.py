"""Compiled or eager: settled for a training before its first step, because the bits differ."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from tangent.jobs.errors import UserError
from tangent.training.compile_cache import VARIABLE
from tangent.training.compiling import CannotCompile
from tangent.training.forward_backward import ForwardBackward

logger = logging.getLogger("tangent")


@dataclass(frozen=True)
class Engine:
    """How a training's passes are computed, and why so."""

    name: Literal["compiled", "eager"]
    reason: str


def prepare(
    step: ForwardBackward, compiles: bool, like: Tensor, begun: Engine | None = None
) -> Engine:
    """Compile a training's passes, if that is wanted and can be done.

    Args:
        step: the passes.
        compiles: whether the settings want it.
        like: of the shape and type of the inputs of a full pass; it needs no values.
        begun: the engine that a resumed training began with: it goes on with the same.

    Returns:
        the engine of this training.

    Raises:
        UserError: the training began compiled and cannot go on so.
    """
    engine = begun or Engine("compiled" if compiles else "eager", "as the settings have it")
    if engine.name == "compiled":
        started = time.monotonic()
        try:
            step.compile(torch.zeros_like(like, device=step.head.device))
        except CannotCompile as error:
            if begun:
                raise UserError(
                    f"this training began with compiled code, and now compiling fails: {error}. "
                    f"Install what is missing, delete {os.environ[VARIABLE]} if what was compiled "
                    "is damaged, or remove state.pt to start afresh."
                ) from error
            engine = Engine("eager", f"compiling fails: {error}")
        else:
            logger.info("compiled in %.0f s", time.monotonic() - started)
    logger.info("engine: %s (%s)", engine.name, engine.reason)
    return engine
