"""Compiled or eager: settled for a training before its first step, because the bits differ."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
import torch._inductor.config
from torch import Tensor, nn

from tangent.jobs.errors import UserError, first_line, is_out_of_memory
from tangent.training.compile_cache import VARIABLE, use_compile_cache

if TYPE_CHECKING:
    from tangent.training.forward_backward import ForwardBackward

logger = logging.getLogger("tangent")


class CannotCompile(Exception):
    """The compiler cannot translate a model, or is not complete on this machine."""


def compile_for(model: nn.Module, like: Tensor) -> Callable[[Tensor], Any]:
    """Compile a model's forward and backward pass for inputs of one shape.

    Other inputs run as they did: which of the two is decided by shape alone, so bits repeat. They
    do not depend on the cache either, because nothing is chosen by timing.

    Call it, and the result, within the attention and autocast contexts of the training.

    Args:
        model: in evaluation mode or without buffers that a pass changes: it is run once here. What
            must be entered around a compiled pass is its `traceable()`, if it has one.
        like: inputs of that shape and type, on the model's device.

    Raises:
        CannotCompile: the compiler fails, or lacks something: it needs Python's headers, and a C++
            compiler for a CPU, a C compiler and Triton for a GPU.
    """
    use_compile_cache()
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # "No CUDA runtime …"
    if like.device.type == "cpu":  # before torch starts helpers: each of them imports torch
        torch._inductor.config.compile_threads = torch.get_num_threads()
    context = getattr(model, "traceable", nullcontext)
    compiled = torch.compile(
        model,
        fullgraph=True,
        dynamic=False,
        options={
            "deterministic": True,
            # Code for one number of threads is not that for another, but torch's key of the cache
            # forgets their number unless it is an option.
            "cpp.threads": torch.get_num_threads(),
        },
    )

    shape = like.shape  # `like` itself is not kept

    def run(inputs: Tensor) -> Any:
        if inputs.shape != shape:
            return model(inputs)
        with context():
            return compiled(inputs)

    parameters = [value for value in model.parameters() if value.requires_grad]
    try:
        output = run(like)
        # The backward pass is compiled too, and a fault in it must show now.
        torch.autograd.grad(output, parameters, torch.zeros_like(output), allow_unused=True)
    except Exception as error:
        # Of many types: the first run may lack something too, as Triton's launchers are made then.
        by_compiler = isinstance(error, torch._dynamo.exc.TorchDynamoException)
        if is_out_of_memory(error) and not by_compiler:
            raise
        cause = getattr(error, "inner_exception", error)  # else only "inductor raised:"
        raise CannotCompile(first_line(cause)) from error
    return run


class Engine(NamedTuple):
    """How a training's passes are computed, and why so."""

    name: Literal["compiled", "eager"]
    reason: str


def prepare(
    step: ForwardBackward, compiles: bool, like: Tensor, begun: Engine | None = None
) -> Engine:
    """Compile a training's passes, if that is wanted and can be done; returns its engine.

    Args:
        step: the passes.
        compiles: whether the settings want it.
        like: of the shape and type of the inputs of a full pass; it needs no values.
        begun: the engine that a resumed training began with: it goes on with the same.

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
