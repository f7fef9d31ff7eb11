"""Compiled or eager: decided for a training before its first step, from what is known then.

The decision changes bits (rounding), so it is a function of configuration, sizes, device and of
what is installed; never of a timing, nor of whether somebody has compiled the same before.
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from tangent.arithmetic.linearized import LinearizedModel, forward_mode_attention
from tangent.arithmetic.modes import Training
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


@dataclass(frozen=True)
class Rates:
    """Seconds that compiling saves and takes.

    Attributes:
        per_teraflop: saved in a pass per 10¹² operations of its forward pass (of one CPU thread).
        per_tensor: saved in a pass per trained tensor, in launches of kernels.
        compiling: taken to compile forward and backward pass, per trained tensor.
    """

    per_teraflop: float
    per_tensor: float
    compiling: float


# CPU: measured with the demo's model (80 tensors, 0.012 teraflop for 128 images, bfloat16, one
# thread): compiled, a linear step of 0.39 s takes 0.13 s less and a standard one of 0.17 s 0.01 s
# less, after some 50 s and 35 s. GPU: assumed, with some 25 and 5 launches of 6 µs per tensor.
RATES = {
    ("cpu", "linear"): Rates(11.0, 0.0, 0.6),
    ("cpu", "standard"): Rates(0.8, 0.0, 0.45),
    ("cuda", "linear"): Rates(0.01, 150e-6, 0.4),
    ("cuda", "standard"): Rates(0.001, 30e-6, 0.3),
}


def prepare(
    step: ForwardBackward,
    estimated: Engine,
    like: Tensor,
    begun: Engine | None = None,
) -> Engine:
    """Compile a training's passes, if that pays and can be done.

    Args:
        step: the passes.
        estimated: the answer of `estimate`.
        like: of the shape and type of the inputs of a full pass; it needs no values.
        begun: the engine that a resumed training began with: it goes on with the same.

    Returns:
        the engine of this training.

    Raises:
        UserError: the training began compiled and cannot go on so.
    """
    engine = begun or estimated
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


def estimate(
    training: Training,
    model: nn.Module,
    like: Tensor,
    passes: int,
    device: torch.device,
) -> Engine:
    """Whether compiling saves more seconds than it takes.

    The cost is that of compiling for the first time: what the cache holds must not decide.

    Args:
        training: standard or linear.
        model: what is trained.
        like: of the shape and type of the inputs of a full pass; it needs no values.
        passes: full passes of the whole training; others are not compiled.
        device: where it trains.
    """
    rates = RATES[device.type, training]
    tensors = sum(value.requires_grad for value in model.parameters())
    threads = torch.get_num_threads() if device.type == "cpu" else 1
    arithmetic = rates.per_teraflop * forward_operations(model, like) / 1e12 / threads
    saved = passes * (arithmetic + rates.per_tensor * tensors)
    cost = rates.compiling * tensors
    reason = f"by an estimate, compiling takes {cost:.0f} s and saves {saved:.0f} s"
    return Engine("compiled" if saved > cost else "eager", reason)


def forward_operations(model: nn.Module, like: Tensor) -> int:
    """Operations of the matrix products and convolutions of a forward pass; computes nothing."""
    plain = model.model if isinstance(model, LinearizedModel) else model
    weights = {**dict(plain.named_parameters()), **dict(plain.named_buffers())}
    without_values = {name: value.detach().to("meta") for name, value in weights.items()}
    # Fused attention and the fast path of nn.MultiheadAttention would not be counted.
    with torch.no_grad(), forward_mode_attention(), FlopCounterMode(display=False) as counter:
        functional_call(plain, without_values, (like.to("meta"),))
    return counter.get_total_flops()
