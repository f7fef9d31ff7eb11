"""T5's tokenizer: the file `tokenizer.json` of the `tokenizers` library, checked for its model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tangent.jobs.errors import UserError, first_line
from tangent.jobs.files import read_json
from tangent.models.t5_files import CONFIG_FILE, TOKENIZER_FILE

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PADDING, END = 0, 1
"""Ids of the padding token, with which T5's decoder also starts, and of the end token."""

_SPECIAL = {"<pad>": PADDING, "</s>": END}


def read_tokenizer_file(path: Path) -> str:
    """Content of a `tokenizer.json`.

    Raises:
        UserError: there is no such file, or it is not text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} cannot be read ({first_line(error)}): delete the model's folder and run the "
            "step `pretrained` again."
        ) from error


def parse_tokenizer(content: str, path: Path) -> Tokenizer:
    """A tokenizer without padding and truncation, from the content of its file.

    Raises:
        UserError: it is no tokenizer.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_str(content)
    except Exception as error:  # the library raises Exception itself
        raise UserError(
            f"{path} is not a tokenizer of the `tokenizers` library ({first_line(error)}): delete "
            "it and run the step `pretrained` again."
        ) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def check_tokenizer(tokenizer: Tokenizer, vocabulary: int, files: tuple[Path, Path]) -> None:
    """Refuse a tokenizer that was not made for a model.

    Args:
        tokenizer: as `parse_tokenizer` gives it.
        vocabulary: rows of the model's token table.
        files: of the tokenizer and of the model, for messages.

    Raises:
        UserError: the tokenizer has a token that the table lacks, or other ids of the padding and
            end token than T5's.
    """
    ids = tokenizer.get_vocab(with_added_tokens=True)
    problem = None
    if max(ids.values(), default=0) >= vocabulary:
        problem = f"it has {max(ids.values()) + 1} tokens, but the model's table {vocabulary} rows"
    for token, expected in _SPECIAL.items():
        if ids.get(token) != expected:
            found = f"has the id {ids[token]}" if token in ids else "is missing"
            problem = problem or f"its token {token} {found}, but the model's has the id {expected}"
    if problem:
        raise UserError(
            f"{files[0]} does not fit the model in {files[1]}: {problem}. Give the tokenizer that "
            "the model was trained with."
        )


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a T5 model's folder, checked; needs no torch.

    Raises:
        UserError: a file is missing or damaged, or the tokenizer does not fit the model.
    """
    path, config_file = Path(folder) / TOKENIZER_FILE, Path(folder) / CONFIG_FILE
    vocabulary = read_json(config_file)["model_cfg"]["vocab_size"]
    tokenizer = parse_tokenizer(read_tokenizer_file(path), path)
    check_tokenizer(tokenizer, vocabulary, (path, config_file))
    return tokenizer


def token_ids(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of texts, each with the end token and without padding."""
    encoded = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return [[*one.ids, END] for one in encoded]
