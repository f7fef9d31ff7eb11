"""Texts as tokens: filled prompts and candidate answers, as a text-to-text model reads them."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tangent.datasets.examined import Member, OfficialTexts
from tangent.datasets.split import split_path
from tangent.errors import UserError
from tangent.files import write_safetensors
from tangent.tasks import TextTask
from tangent.tasks.text import Piece

if TYPE_CHECKING:
    from tokenizers import Tokenizer

logger = logging.getLogger("tangent")

# Of T5's tokenizers: padding, and the end of a text.
PADDING, END = 0, 1
_UNKNOWN = "<unk>"


@dataclass(frozen=True)
class TextForm:
    """Texts as tokens: a `Form` of data sets.

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

    official = OfficialTexts

    def describe(self) -> dict[str, Any]:
        """The lengths, as the model's preprocessing has them."""
        return {"input_length": self.input_length, "answer_length": self.answer_length}

    def write(
        self, task: TextTask, members: Mapping[str, Member], folder: Path, threads: int, what: str
    ) -> dict[str, dict[str, int]]:
        """Write all splits; see `Form.write`.

        Returns:
            Of each split, the `bytes` of its file and how many prompts were `truncated`.

        Raises:
            UserError: a prompt lacks a field or its frame does not fit, an answer does not fit or
                has unknown words, two answers are one, or a file cannot be written.
        """
        answers = self.answers(task).reshape(-1)
        written, splits = {}, {}
        for name, member in members.items():
            rows = member.official.rows
            filled = [task.fill(rows[row], f"{what}, {rows.name(row)}") for row in member.rows]
            prompts, truncated = self.prompts(filled, what)
            splits[name] = np.hstack([prompts, np.tile(answers, (len(prompts), 1))])
            written[name] = {"truncated": truncated}
            if truncated:
                share = 100 * truncated / len(prompts)
                logger.warning(
                    "%s: %d %s prompts (%.1f %%) were cut to %d tokens",
                    *(what, truncated, name, share, self.input_length),
                )
        for name, member in members.items():
            path = split_path(folder, name)
            arrays = {
                "tokens": splits[name],
                "labels": member.of("labels"),
                "hashes": member.of("digests"),
            }
            write_safetensors(path, arrays, self._metadata(task, name, member))
            written[name]["bytes"] = path.stat().st_size
        return written

    def answers(self, task: TextTask) -> np.ndarray:
        """The candidate answers [classes, T] (int64), each with the end token, padded.

        Raises:
            UserError: an answer does not fit or has unknown words, or two have the same tokens.
        """
        file = f"tangent/tasks/{task.name}.yaml"
        unknown = self.tokenizer.token_to_id(_UNKNOWN)
        rows = np.full((len(task.classes), self.answer_length), PADDING, np.int64)
        for row, answer in zip(rows, task.classes, strict=True):
            tokens = [*self.tokenizer.encode(answer, add_special_tokens=False).ids, END]
            if len(tokens) > self.answer_length:
                raise UserError(
                    f"{file}: the answer {answer!r} has {len(tokens)} tokens, its end included, "
                    f"but the model's answers have at most {self.answer_length} (answer_length): "
                    "raise that key of the model, or shorten the answer."
                )
            if unknown in tokens:
                raise UserError(
                    f"{file}: the answer {answer!r} has words that the model's tokenizer does not "
                    "know: choose other words."
                )
            row[: len(tokens)] = tokens
        if len(np.unique(rows, axis=0)) < len(rows):
            raise UserError(
                f"{file}: two answers have the same tokens, so that no model can tell them apart: "
                "choose other words."
            )
        return rows

    def prompts(self, filled: Sequence[Sequence[Piece]], what: str) -> tuple[np.ndarray, int]:
        """Tokenise filled prompts.

        Of a prompt that is too long, the end of its longest field is left out: the question around
        the fields always stays.

        Args:
            filled: prompts.
            what: the data set's name in messages.

        Returns:
            int64 [prompts, L], each with the end token, padded; and how many were cut.

        Raises:
            UserError: the prompts would not fit without their fields either.
        """
        texts = ["".join(piece.text for piece in pieces) for pieces in filled]
        encodings = self.tokenizer.encode_batch(texts, add_special_tokens=False)
        rows = np.full((len(texts), self.input_length), PADDING, np.int64)
        truncated = 0
        for row, pieces, encoding in zip(rows, filled, encodings, strict=True):
            tokens = encoding.ids
            if len(tokens) >= self.input_length:
                truncated += 1
                places = _fields_of(pieces, encoding.offsets)
                tokens = _cut(tokens, places, self.input_length - 1, what)
            row[: len(tokens) + 1] = [*tokens, END]
        return rows, truncated

    def _metadata(self, task: TextTask, name: str, member: Member) -> dict[str, str]:
        return {
            "kind": task.kind,
            "task": task.name,
            "split": name,
            "classes": json.dumps(task.classes),
            "geometry": json.dumps(self.describe()),
            "tokenizer": self.tokenizer_sha256,
            "content_sha256": member.content_sha256,
        }


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
