"""Heads of candidate answers: a task's answers as tokens, and the model's language-model head."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tangent.jobs.errors import UserError
from tangent.jobs.files import open_safetensors
from tangent.models.families import model_config
from tangent.models.heads.answers import AnswersHead
from tangent.models.t5 import HEAD_TENSORS, language_model_head
from tangent.models.t5_files import MODEL_FILE
from tangent.models.t5_tokenizer import PADDING, load_tokenizer, token_ids

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def padded_answers(
    tokenizer: Tokenizer, answers: Sequence[str], length: int, what: str
) -> np.ndarray:
    """A task's answers as a model reads them, int64 [answers, T], padded.

    Args:
        tokenizer: the model's.
        answers: of the classes, in their order.
        length: T, tokens of a padded answer, the end token included.
        what: whose answers they are, for messages.

    Raises:
        UserError: an answer has more tokens, or two have the same ones.
    """
    ids = token_ids(tokenizer, answers)
    seen: dict[tuple[int, ...], str] = {}
    for answer, tokens in zip(answers, ids, strict=True):
        if len(tokens) > length:
            raise UserError(
                f"{what}: the answer {answer!r} has {len(tokens)} tokens with its end token, but "
                f"the model reads {length} of an answer: give the model a larger answer_length "
                "(key pretrained), or shorten the answer."
            )
        if (same := seen.setdefault(tuple(tokens), answer)) != answer:
            raise UserError(
                f"{what}: the model's tokenizer does not tell the answers {same!r} and {answer!r} "
                "apart: use words that it knows."
            )
    padded = [[*tokens, *[PADDING] * (length - len(tokens))] for tokens in ids]
    return np.array(padded, dtype=np.int64)


def build_answers_head(folder: Path, answers: Sequence[str], what: str) -> AnswersHead:
    """The head of a task's answers for the text-to-text model in a folder.

    Raises:
        UserError: as `padded_answers`, the tokenizer does not fit the model, or the model's weights
            are missing or damaged.
    """
    config = model_config(folder)
    tokens = padded_answers(load_tokenizer(folder), answers, config["answer_length"], what)
    with open_safetensors(Path(folder) / MODEL_FILE, "pt") as file:
        names = set(file.keys()).intersection(HEAD_TENSORS)
        weights = {name: file.get_tensor(name) for name in names}
    table = language_model_head(weights, config).numpy()
    return AnswersHead(table, tokens, config["input_length"])
