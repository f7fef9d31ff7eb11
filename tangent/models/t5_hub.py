"""T5 models on the Hugging Face hub, in transformers' format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tangent.jobs.errors import UserError, first_line
from tangent.jobs.files import read_json
from tangent.models.published.hub_file import download
from tangent.models.published.tensors import read_tensors
from tangent.models.t5 import TOKENIZER_FILE, configuration
from tangent.models.t5_tokenizer import END, PADDING, read_tokenizer_file

if TYPE_CHECKING:
    from torch import Tensor

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


def fetch_t5(
    repository: str, revision: str, input_length: int, answer_length: int
) -> tuple[dict[str, Tensor], dict[str, Any], str, list[Path]]:
    """A T5 model of the hub, or of its client's cache where there is no network.

    Args:
        repository: `owner/name`.
        revision: a commit, tag or branch.
        input_length: L, tokens of an input.
        answer_length: T, tokens of an answer.

    Returns:
        state dict of the whole model, its configuration (`tangent.models.t5.configuration`), the
        content of its tokenizer, and the files these were read from.

    Raises:
        UserError: a file cannot be had or is damaged, or the model is not a T5.
    """
    key = "pretrained"
    config = download(key, repository, revision, "config.json").path
    tokenizer = download(key, repository, revision, TOKENIZER_FILE).path
    weights = _weights(key, repository, revision)
    what = f"{key}: {repository} at {revision}"
    architecture = _architecture(read_json(config), what)
    return (
        read_tensors(weights),
        configuration(architecture, input_length, answer_length),
        read_tokenizer_file(tokenizer),
        [weights, tokenizer, config],
    )


def _weights(key: str, repository: str, revision: str) -> Path:
    from huggingface_hub.errors import RemoteEntryNotFoundError

    try:
        return download(key, repository, revision, _WEIGHTS[0]).path
    except UserError as error:
        if not isinstance(error.__cause__, RemoteEntryNotFoundError):
            raise
    return download(key, repository, revision, _WEIGHTS[1]).path


def _architecture(content: Any, what: str) -> Any:
    from transformers import T5Config

    if not isinstance(content, dict) or content.get("model_type") != "t5":
        found = content.get("model_type") if isinstance(content, dict) else None
        raise UserError(
            f"{what}: its config.json says the model type {found!r}, but only T5 models (t5) can "
            "be used as text-to-text models: name another repository."
        )
    special = {"pad_token_id": PADDING, "eos_token_id": END, "decoder_start_token_id": PADDING}
    for name, expected in special.items():
        if content.get(name, expected) != expected:
            raise UserError(
                f"{what}: its config.json says {name} = {content[name]}, but T5's is {expected}: "
                "such a model cannot be used."
            )
    try:
        return T5Config.from_dict(content)
    except Exception as error:  # its validation has exceptions of its own
        raise UserError(f"{what}: its config.json is damaged: {first_line(error)}") from error
