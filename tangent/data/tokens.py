"""Texts as tokens: filled prompts and candidate answers, as a text-to-text model reads them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tangent.data.split import split_path
from tangent.jobs.errors import UserError
from tangent.jobs.files import write_safetensors
from tangent.models.t5_tokenizer import END, PADDING, padded_answers
from tangent.tasks.task_files import Piece, TextTask

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from tangent.data.examined import Member

logger = logging.getLogger("tangent")


@dataclass(frozen=True)
class TextForm:
    """Texts as tokens.

    Attributes:
        tokenizer: the model's, without padding and truncation.
        tokenizer_sha256: digest of its file.
        input_length: L, tokens of a prompt, the end token included.
        answer_length: T, tokens of an answer, the end token included.
    """

    tokenizer: Tokenizer
    tokenizer_sha256: str
    input_length: int
    answer_length: int

    def describe(self) -> dict[str, Any]:
        """The lengths, as the model's preprocessing has them."""
        return {"input_length": self.input_length, "answer_length": self.answer_length}

    def write(
        self, task: TextTask, members: Mapping[str, Member], folder: Path, threads: int, what: str
    ) -> dict[str, dict[str, int]]:
        """Write all splits of the data set that messages call `what`.

        Returns:
            Of each split, the `bytes` of its file and how many prompts were `truncated`.

        Raises:
            UserError: a prompt lacks a field or does not fit without its fields, an answer does not
                fit, two answers are one, or a file cannot be written.
        """
        answers = padded_answers(
            self.tokenizer, task.classes, self.answer_length, f"task {task.name}"
        ).reshape(-1)
        files, written = {}, {}
        for name, member in members.items():
            rows = member.official.rows
            filled = [task.fill(rows[row], f"{what}, {rows.name(row)}") for row in member.rows]
            prompts, truncated = prompt_tokens(self.tokenizer, filled, self.input_length, what)
            tokens = np.hstack([prompts, np.tile(answers, (len(prompts), 1))])
            metadata = member.metadata(task, name, self.describe())
            metadata |= {"kind": task.kind, "tokenizer": self.tokenizer_sha256}
            files[split_path(folder, name)] = {"tokens": tokens, **member.arrays()}, metadata
            written[name] = {"truncated": truncated}
            if truncated:
                logger.warning(
                    "%s: %d %s prompts (%.1f %%) were cut to %d tokens",
                    *(what, truncated, name, 100 * truncated / len(prompts), self.input_length),
                )
        for of_split, (path, content) in zip(written.values(), files.items(), strict=True):
            write_safetensors(path, *content)
            of_split["bytes"] = path.stat().st_size
        return written


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
