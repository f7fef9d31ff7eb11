"""CLIP checkpoints without the token rows that no prompt uses.

A CLIP text encoder embeds 49,408 tokens, of which the prompts of a study use a few hundred; in a
small model that table is most of the file. A compact checkpoint is a state dict with open_clip's
names in float16, where `token_embedding.weight` holds the rows [used, width] that the int64 tensor
`token_ids` [used] names in increasing order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from tangent.jobs.errors import UserError

TABLE = "token_embedding.weight"
TOKEN_IDS = "token_ids"


def compact(
    state_dict: Mapping[str, torch.Tensor], token_ids: Sequence[int]
) -> dict[str, torch.Tensor]:
    """Keep the table's rows `token_ids` only, and store floating-point tensors in float16.

    Args:
        state_dict: open_clip's state dict with the whole table [vocabulary, width].
        token_ids: the tokens to keep, in any order; repeated ones count once.

    Raises:
        UserError: the table is missing or not a matrix, or a token is outside of it.
    """
    table = _matrix(state_dict)
    ids = torch.tensor(sorted(set(token_ids)), dtype=torch.int64)
    if len(ids) == 0 or ids[0] < 0 or ids[-1] >= len(table):
        raise UserError(
            f"{TABLE} has {len(table)} rows: the tokens to keep must be at least one, from 0 to "
            f"{len(table) - 1}."
        )
    kept = {**state_dict, TABLE: table[ids]}
    return {name: _to(value, torch.float16) for name, value in kept.items()} | {TOKEN_IDS: ids}


def expand(tensors: Mapping[str, torch.Tensor], vocab_size: int) -> dict[str, torch.Tensor]:
    """Undo `compact`: the whole table in float32, with zeros in the rows that were left out.

    Raises:
        UserError: `token_ids` or the table is missing, their shapes disagree, or the tokens are not
            increasing numbers below `vocab_size`.
    """
    rows = _matrix(tensors)
    ids = tensors.get(TOKEN_IDS)
    if ids is None or ids.dtype != torch.int64 or ids.shape != rows.shape[:1]:
        found = "missing" if ids is None else f"{ids.dtype} {list(ids.shape)}"
        raise UserError(
            f"a compact checkpoint needs {TOKEN_IDS} as int64 [{len(rows)}], one for each row of "
            f"{TABLE}, but it is {found}."
        )
    if (ids.diff() <= 0).any() or ids[0] < 0 or ids[-1] >= vocab_size:
        raise UserError(
            f"{TOKEN_IDS} must be increasing and lie from 0 to {vocab_size - 1}: is vocab_size "
            "that of the tokenizer?"
        )
    table = torch.zeros(vocab_size, rows.shape[1])
    table[ids] = rows.float()
    whole = {name: _to(value, torch.float32) for name, value in tensors.items()}
    del whole[TOKEN_IDS]
    return whole | {TABLE: table}


def _matrix(tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
    table = tensors.get(TABLE)
    if table is None or table.ndim != 2 or len(table) == 0:
        found = "missing" if table is None else f"of shape {list(table.shape)}"
        raise UserError(f"the checkpoint needs {TABLE} as a matrix [tokens, width]; it is {found}.")
    return table


def _to(value: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return value.to(dtype) if value.is_floating_point() else value
