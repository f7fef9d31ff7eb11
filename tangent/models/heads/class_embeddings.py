"""Zero-shot heads from class names and prompt templates (docs/protocol.md, "Notation")."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tangent.jobs.errors import UserError
from tangent.models.heads.zero_shot import ZeroShotHead
from tangent.tasks.task_files import Task

if TYPE_CHECKING:
    import torch
    from torch import nn

_PROMPTS_PER_BATCH = 256


def build_head(
    model: nn.Module, tokenizer: Callable[..., torch.Tensor], task: Task
) -> ZeroShotHead:
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


def _tokenize(
    tokenizer: Callable[..., torch.Tensor], prompts: list[str], task: Task
) -> torch.Tensor:
    tokens = tokenizer(prompts)
    length = tokens.shape[1]
    # A prompt that fits has the same tokens when there is room for one more.
    roomier = tokenizer(prompts, context_length=length + 1)
    truncated = (roomier[:, :length] != tokens).any(dim=1).nonzero()[:, 0].tolist()
    if truncated:
        raise UserError(
            f"task {task.name}: the prompt {prompts[truncated[0]]!r} has more than the {length} "
            f"tokens that the model reads, and {len(truncated) - 1} more prompts too: shorten the "
            f"class name or the template in tangent/tasks/{task.name}.yaml."
        )
    return tokens


def _check_embedded(model: nn.Module, tokens: torch.Tensor, prompts: list[str], task: Task) -> None:
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
