"""Text-to-text models: of transformers on the hub, or from a pre-training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tangent.jobs.files import read_json, read_safetensors
from tangent.models import t5, t5_files
from tangent.models.families import FAMILIES
from tangent.models.fetch.fetched import SOURCE_MODEL_FILE, Fetched
from tangent.models.t5_hub import fetch_t5
from tangent.models.t5_tokenizer import check_tokenizer, parse_tokenizer, read_tokenizer_file

if TYPE_CHECKING:
    from torch import Tensor


def from_transformers(
    repository: str, revision: str, input_length: int, answer_length: int
) -> Fetched:
    """A T5 model of transformers on the hub."""
    return text_to_text(*fetch_t5(repository, revision, input_length, answer_length))


def from_pretraining(folder: Path) -> Fetched:
    """What a pre-training on texts wrote into a folder."""
    files = [
        folder / name for name in (SOURCE_MODEL_FILE, t5_files.TOKENIZER_FILE, t5_files.CONFIG_FILE)
    ]
    weights, _ = read_safetensors(files[0])
    return text_to_text(weights, read_json(files[2]), read_tokenizer_file(files[1]), files)


def text_to_text(
    model: Mapping[str, Tensor], config: Mapping[str, Any], tokenizer: str, files: Sequence[Path]
) -> Fetched:
    """A T5 model, checked.

    Args:
        model: state dict of transformers' whole model.
        config: as `tangent.models.t5.configuration` makes it.
        tokenizer: content of its `tokenizer.json`.
        files: where these are from: the model, the tokenizer, and others.

    Raises:
        UserError: the weights do not fit the configuration, or the tokenizer does not fit both.
    """
    weights = t5.own_tensors(model)
    t5.check_model(weights, config, files[0])
    vocabulary = config["model_cfg"]["vocab_size"]
    check_tokenizer(parse_tokenizer(tokenizer, files[1]), vocabulary, (files[1], files[0]))
    return Fetched(
        FAMILIES["text_to_text"],
        dict(config),
        weights,
        t5.encoder_state(weights),
        list(files),
        {t5_files.TOKENIZER_FILE: tokenizer},
    )
