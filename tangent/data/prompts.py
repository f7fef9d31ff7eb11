"""Filled prompts as tokens, cut where they are too long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tangent.jobs.errors import UserError
from tangent.models.t5_tokenizer import END, PADDING
from tangent.tasks.task_files import Piece

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def prompt_tokens(
    tokenizer: Tokenizer, filled: Sequence[Sequence[Piece]], length: int, what: str
) -> tuple[np.ndarray, int]:
    """Tokenise filled prompts.

    Of a prompt that is too long, the end of its longest field is left out: the question around the
    fields always stays.

    Args:
        tokenizer: without padding and truncation.
        filled: prompts (`TextTask.fill`).
        length: L, tokens of a prompt, the end token included.
        what: the data set's name in messages.

    Returns:
        int64 [prompts, L], each with the end token, padded; and how many were cut.

    Raises:
        UserError: a prompt does not fit without its fields either.
    """
    texts = ["".join(piece.text for piece in pieces) for pieces in filled]
    encodings = tokenizer.encode_batch(texts, add_special_tokens=False)
    rows = np.full((len(texts), length), PADDING, np.int64)
    truncated = 0
    for row, pieces, encoding in zip(rows, filled, encodings, strict=True):
        tokens = encoding.ids
        if len(tokens) >= length:
            truncated += 1
            tokens = _cut(tokens, _fields_of(pieces, encoding.offsets), length - 1, what)
        row[: len(tokens) + 1] = [*tokens, END]
    return rows, truncated


def _fields_of(pieces: Sequence[Piece], offsets: Sequence[tuple[int, int]]) -> np.ndarray:
    """The field that each token lies in, by its number; -1 in the text around them."""
    ends = np.cumsum([len(piece.text) for piece in pieces])
    number = np.array([index if piece.is_field else -1 for index, piece in enumerate(pieces)])
    # By its last character: the space before a word belongs to the word's token.
    last = np.array([max(begin, end - 1) for begin, end in offsets])
    return number[np.searchsorted(ends, last, side="right")]


def _cut(tokens: Sequence[int], fields: np.ndarray, length: int, what: str) -> list[int]:
    """Leave out the last tokens of the field that is then the longest, until `length` are left."""
    if (fields < 0).sum() > length:
        raise UserError(
            f"{what}: its prompt has {(fields < 0).sum()} tokens without what its fields hold, but "
            f"the model reads {length} and the end token (input_length): shorten the prompt, or "
            "raise that key of the model."
        )
    stay = np.ones(len(tokens), bool)
    sizes = np.bincount(fields[fields >= 0])
    for _ in range(len(tokens) - length):
        longest = sizes.argmax()
        stay[np.flatnonzero(stay & (fields == longest))[-1]] = False
        sizes[longest] -= 1
    return np.asarray(tokens)[stay].tolist()
