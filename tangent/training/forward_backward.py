"""A forward and a backward pass of some examples: the inner part of a training step."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from tangent.models.heads.head import TorchHead
from tangent.training.engine import compile_for


class ForwardBackward:
    """Adds the gradients of a sum of losses under a frozen head to a model's parameters.

    Args:
        model: a plain encoder or a linearized one: they have one signature.
        head: on the model's device.
        autocast: `bfloat16` runs the encoder's matrix products in bfloat16; `none` in float32.
    """

    def __init__(self, model: nn.Module, head: TorchHead, autocast: str) -> None:
        self.model, self.head, self._autocast = model, head, autocast
        self._features = model

    def compile(self, inputs: Tensor) -> None:
        """Run inputs [batch, ...] of this shape by compiled code from now on.

        Only the encoder is compiled: tasks, whose heads differ in size, share its code.

        Raises:
            CannotCompile: see `tangent.training.engine.compile_for`.
        """
        with _attention(inputs.device), self._precision(inputs.device):
            self._features = compile_for(self.model, inputs)

    def __call__(self, inputs: Tensor, labels: Tensor, scale: float) -> Tensor:
        """Returns the examples' loss and how many are classified correctly, times `scale` [2].

        Args:
            inputs: [batch, ...], what the encoder reads.
            labels: int64 [batch].
            scale: factor of the loss, and so of the gradients; 1 / batch for a mean.
        """
        # Blocks that are computed again in the backward pass need the same attention there.
        with _attention(inputs.device):
            with self._precision(inputs.device):
                features = self._features(inputs)
            # At least float32: float64 stays, so that tests can compare to its rounding.
            precision = torch.promote_types(features.dtype, torch.float32)
            logits = self.head.logits(features.to(precision))
            loss = scale * self.head.loss(logits, labels)
            loss.backward()
        with torch.no_grad():
            return torch.stack([loss, scale * (logits.argmax(dim=-1) == labels).sum()])

    def _precision(self, device: torch.device) -> AbstractContextManager:
        # The head and the loss stay in float32: CLIP's logits are about 100 times a cosine.
        return torch.autocast(device.type, torch.bfloat16, enabled=self._autocast == "bfloat16")


def _attention(device: torch.device) -> AbstractContextManager:
    """On a CPU the math backend trains short sequences 2.4 times faster than the fused one."""
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else nullcontext()
