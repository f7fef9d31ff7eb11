"""Texts as tokens: filled prompts and candidate answers, as a text-to-text model reads them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tangent.data.examined import Member
from tangent.data.prompts import prompt_tokens
from tangent.data.split import split_path
from tangent.jobs.files import write_safetensors
from tangent.models.heads.candidates import padded_answers
from tangent.tasks.task_files import TextTask

if TYPE_CHECKING:
    from tokenizers import Tokenizer

logger = logging.getLogger("tangent")


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
