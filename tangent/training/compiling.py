"""Compiled models: `torch.compile` for one shape of inputs, with bits that repeat."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
import torch._inductor.config
from torch import Tensor, nn

from tangent.jobs.errors import first_line, is_out_of_memory
from tangent.training.compile_cache import use_compile_cache


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
