"""CLIP checkpoints without the token rows that no prompt uses.

A CLIP text encoder embeds 49,408 tokens, of which the prompts of a study use a few hundred; in a
small model that table is most of the file. A compact checkpoint is a state dict with open_clip's
names in float16, where `token_embedding.weight` holds the rows [used, width] that the int64 tensor
`token_ids` [used] names in increasing order.
"""

from collections.abc import Mapping

import torch

from tangent.jobs.errors import UserError

TABLE = "token_embedding.weight"
TOKEN_IDS = "token_ids"


def expand(tensors: Mapping[str, torch.Tensor], vocab_size: int) -> dict[str, torch.Tensor]:
    """The whole table in float32, with zeros in the rows that a compact checkpoint leaves out.

    Args:
        tensors: of the checkpoint, `token_ids` among them.
        vocab_size: rows of the whole table.

    Raises:
        UserError: the table is missing, its shape and that of `token_ids` disagree, or the tokens
            are not increasing numbers below `vocab_size`.
    """
    rows, ids = tensors.get(TABLE), tensors[TOKEN_IDS]
    if rows is None or rows.ndim != 2 or len(rows) == 0:
        found = "missing" if rows is None else f"of shape {list(rows.shape)}"
        raise UserError(f"the checkpoint needs {TABLE} as a matrix [tokens, width]; it is {found}.")
    if ids.dtype != torch.int64 or ids.shape != rows.shape[:1]:
        raise UserError(
            f"a compact checkpoint needs {TOKEN_IDS} as int64 [{len(rows)}], one for each row of "
            f"{TABLE}, but it is {ids.dtype} {list(ids.shape)}."
        )
    if (ids.diff() <= 0).any() or ids[0] < 0 or ids[-1] >= vocab_size:
        raise UserError(
            f"{TOKEN_IDS} must be increasing and lie from 0 to {vocab_size - 1}: is vocab_size "
            "that of the tokenizer?"
        )
    table = torch.zeros(vocab_size, rows.shape[1])
    table[ids] = rows.float()
    whole = {n: v.float() if v.is_floating_point() else v for n, v in tensors.items()}
    del whole[TOKEN_IDS]
    return whole | {TABLE: table}
