"""Recomputing a transformer's blocks in the backward pass, by the encoder's own switch."""

from __future__ import annotations

from torch import nn


def recompute_blocks(encoder: nn.Module, enabled: bool) -> bool:
    """Have the backward pass compute each block again instead of keeping its activations.

    open_clip's and timm's models have the switch `set_grad_checkpointing`. That of some models does
    nothing, so the answer is read from the flags that it should have set.

    Returns:
        whether blocks are recomputed from now on.
    """
    switch = getattr(encoder, "set_grad_checkpointing", None)
    if switch is None:
        return False
    switch(enabled)
    return any(getattr(module, "grad_checkpointing", False) for module in encoder.modules())
