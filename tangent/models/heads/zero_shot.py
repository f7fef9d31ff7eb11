"""The zero-shot head of CLIP, from class names and templates (docs/protocol.md, "Notation")."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tangent.jobs.errors import UserError
from tangent.models.clip import load_model, load_tokenizer
from tangent.models.heads.head import Head, TorchHead

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from tangent.tasks.task_files import Task

_PROMPTS_PER_BATCH = 256


class _TorchZeroShotHead(TorchHead):
    def logits(self, features: Tensor) -> Tensor:
        import torch.nn.functional as F

        return F.normalize(features, dim=-1) @ self.tensors["weight"].to(features).T


@dataclass(frozen=True, eq=False)
class ZeroShotHead(Head):
    """Logits are L2-normalised features times class embeddings.

    Attributes:
        weight: class embeddings × exp(logit_scale), float32 [classes, d].
    """

    kind: ClassVar[str] = "zero_shot"
    tensors: ClassVar[dict[str, str]] = {"weight": "float32 [classes, d]"}
    on_device: ClassVar[type[TorchHead]] = _TorchZeroShotHead
    weight: np.ndarray

    @classmethod
    def build(cls, folder: Path, task: Task, device: torch.device) -> ZeroShotHead:
        return build_head(load_model(folder, device), load_tokenizer(folder), task)

    def _scores(self, features: np.ndarray) -> np.ndarray:
        norms = np.linalg.norm(features, axis=1, keepdims=True)
        # torch's normalize has the same floor: a feature of zeros gives logits of zeros.
        return (features / np.maximum(norms, 1e-12)) @ self.weight.astype(np.float32).T


def build_head(model: nn.Module, tokenizer: Callable[..., Tensor], task: Task) -> ZeroShotHead:
    """Build a task's head from its class names and prompt templates.

    Per class: embed every filled template, L2-normalise, average, L2-normalise again, multiply by
    exp(logit_scale). Logits are then normalise(features) @ head.T.

    Args:
        model: open_clip's CLIP (both encoders).
        tokenizer: the model's, as `tangent.models.clip.load_tokenizer` gives it.
        task: class names and templates.

    Raises:
        UserError: a prompt does not fit into the model's context, or uses a token that a compact
            checkpoint was shipped without.
    """
    import torch
    import torch.nn.functional as F

    prompts = [prompt for of_class in task.prompts() for prompt in of_class]
    tokens = _tokenize(tokenizer, prompts, task)
    _check_embedded(model, tokens, prompts, task)
    device = next(model.parameters()).device
    with torch.no_grad():
        embeddings = torch.cat(
            [
                model.encode_text(batch.to(device), normalize=True).float()
                for batch in tokens.split(_PROMPTS_PER_BATCH)
            ]
        )
        per_class = embeddings.view(len(task.classes), len(task.templates), -1)
        weight = F.normalize(per_class.mean(dim=1), dim=-1)
        weight = weight * model.logit_scale.exp().float()
    return ZeroShotHead(weight.cpu().numpy())


def _tokenize(tokenizer: Callable[..., Tensor], prompts: list[str], task: Task) -> Tensor:
    tokens = tokenizer(prompts)
    length = tokens.shape[1]
    # A prompt that fits has the same tokens when there is room for one more.
    roomier = tokenizer(prompts, context_length=length + 1)
    truncated = (roomier[:, :length] != tokens).any(dim=1).nonzero()[:, 0].tolist()
    if truncated:
        raise UserError(
            f"task {task.name}: the prompt {prompts[truncated[0]]!r} has more than the {length} "
            f"tokens that the model reads, and {len(truncated) - 1} more prompts too: shorten the "
            f"class name or the template in {task.place}."
        )
    return tokens


def _check_embedded(model: nn.Module, tokens: Tensor, prompts: list[str], task: Task) -> None:
    """Refuse tokens whose embedding is zero: a compact checkpoint leaves unused rows out."""
    import torch

    table = getattr(getattr(model, "text", model), "token_embedding", None)
    if table is None:
        return
    is_zero = (table.weight == 0).all(dim=1).cpu()
    # Padding follows the end of the text, which is the largest token; it never reaches the output.
    end = tokens.argmax(dim=1, keepdim=True)
    unknown = is_zero[tokens] & (torch.arange(tokens.shape[1]) <= end)
    if unknown.any():
        first = int(unknown.any(dim=1).nonzero()[0, 0])
        raise UserError(
            f"task {task.name}: the prompt {prompts[first]!r} uses a token that this model's "
            "checkpoint was shipped without. Use words of the shipped prompts, or make the "
            "checkpoint again with these (the step `pretraining`)."
        )
