"""T5's tokenizer: the file `tokenizer.json` of the `tokenizers` library, checked for its model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tangent.jobs.errors import UserError, first_line
from tangent.jobs.files import read_json, read_regular

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CONFIG_FILE = "t5_config.json"
TOKENIZER_FILE = "tokenizer.json"

PADDING, END = 0, 1
"""Ids of the padding token, with which T5's decoder also starts, and of the end token."""


def read_tokenizer(path: Path, vocabulary: int, model: Path) -> Tokenizer:
    """A tokenizer without padding and truncation, from its file; needs no torch.

    Args:
        path: its file.
        vocabulary: rows of the model's token table.
        model: the model's file, for messages.

    Raises:
        UserError: the file is missing or no tokenizer, or not the model's: it has a token that the
            table lacks, or other ids of the padding and end token than T5's.
    """
    from tokenizers import Tokenizer

    try:
        content = read_regular(path).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} cannot be read ({first_line(error)}): delete the model's folder and run the "
            "step `pretrained` again."
        ) from error
    try:
        tokenizer = Tokenizer.from_str(content)
    except Exception as error:  # the library raises Exception itself
        raise UserError(
            f"{path} is not a tokenizer of the `tokenizers` library ({first_line(error)}): delete "
            "it and run the step `pretrained` again."
        ) from error
    ids = tokenizer.get_vocab(with_added_tokens=True)
    problem = None
    if max(ids.values(), default=0) >= vocabulary:
        problem = f"it has {max(ids.values()) + 1} tokens, but the model's table {vocabulary} rows"
    for token, expected in {"<pad>": PADDING, "</s>": END}.items():
        if ids.get(token) != expected:
            found = f"has the id {ids[token]}" if token in ids else "is missing"
            problem = problem or f"its token {token} {found}, but the model's has the id {expected}"
    if problem:
        raise UserError(
            f"{path} does not fit the model in {model}: {problem}. Give the tokenizer that the "
            "model was trained with."
        )
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer in a T5 model's folder; errors are those of `read_tokenizer`."""
    config = Path(folder) / CONFIG_FILE
    vocabulary = read_json(config)["model_cfg"]["vocab_size"]
    return read_tokenizer(Path(folder) / TOKENIZER_FILE, vocabulary, config)


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
    encoded = tokenizer.encode_batch(list(answers), add_special_tokens=False)
    padded = np.full((len(answers), length), PADDING, np.int64)
    seen: dict[tuple[int, ...], str] = {}
    for row, answer, one in zip(padded, answers, encoded, strict=True):
        tokens = [*one.ids, END]
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
        row[: len(tokens)] = tokens
    return padded
