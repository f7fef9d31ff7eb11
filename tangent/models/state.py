"""State dicts, compared with those that an architecture expects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tangent.jobs.errors import UserError

if TYPE_CHECKING:
    import torch


def check_state(
    expected: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor], path: Path
) -> None:
    """Compare a state dict from `path` with the architecture's.

    Raises:
        UserError: a key is missing, unexpected or of another shape; the first one is named.
    """
    problem = None
    for name, value in expected.items():
        if name not in found:
            problem = f"the key {name} is missing"
        elif found[name].shape != value.shape:
            problem = f"{name} has shape {list(found[name].shape)} and not {list(value.shape)}"
        if problem:
            break
    else:
        unexpected = next((name for name in found if name not in expected), None)
        problem = unexpected and f"the key {unexpected} is unexpected"
    if problem:
        raise UserError(
            f"{path} does not fit the model's architecture: {problem}. Give the weights of this "
            f"model's own encoder, or check its configuration file."
        )
