"""Text-to-text models: of transformers on the hub, or from a pre-training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tangent.jobs.errors import UserError, first_line
from tangent.jobs.files import read_json, read_safetensors
from tangent.jobs.keys import NonEmptyString, PositiveInteger, RepositoryId
from tangent.models import t5, t5_files
from tangent.models.families import FAMILIES
from tangent.models.fetch.fetched import SOURCE_MODEL_FILE, Fetched
from tangent.models.fetch.model_source import ModelSource
from tangent.models.published.published_files import download
from tangent.models.published.tensors import read_tensors
from tangent.models.t5_tokenizer import (
    END,
    PADDING,
    check_tokenizer,
    parse_tokenizer,
    read_tokenizer_file,
)

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import T5Config


class PretrainedTransformers(ModelSource):
    """A T5 model of transformers on the Hugging Face hub, or in its client's local cache."""

    family: ClassVar[str] = "text_to_text"
    reads: ClassVar[str] = "text"

    source: Literal["transformers"]
    """`transformers`: a T5 model of the hub."""
    repository: RepositoryId
    """Repository of the model, `owner/name`. It must hold `tokenizer.json`."""
    revision: NonEmptyString
    """Commit, tag or branch. A tag or branch may move."""
    input_length: PositiveInteger
    """Tokens of an input, to which all inputs are padded; the end token counts."""
    answer_length: PositiveInteger
    """Tokens of a candidate answer, to which all are padded; the end token counts. A longer answer
    is refused."""

    def fetch(self) -> Fetched:
        """Download the files, or find them in the cache where there is no network."""
        config, tokenizer = self._file("config.json"), self._file(t5_files.TOKENIZER_FILE)
        weights = self._weights()
        what = f"pretrained: {self.repository} at {self.revision}"
        architecture = _architecture(read_json(config), what)
        return text_to_text(
            read_tensors(weights),
            t5.configuration(architecture, self.input_length, self.answer_length),
            read_tokenizer_file(tokenizer),
            [weights, tokenizer, config],
        )

    def _file(self, name: str) -> Path:
        return download("pretrained", self.repository, self.revision, name).path

    def _weights(self) -> Path:
        from huggingface_hub.errors import RemoteEntryNotFoundError

        try:
            return self._file("model.safetensors")
        except UserError as error:
            if not isinstance(error.__cause__, RemoteEntryNotFoundError):
                raise
        return self._file("pytorch_model.bin")


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


def _architecture(content: Any, what: str) -> T5Config:
    from transformers import T5Config

    found = content.get("model_type") if isinstance(content, dict) else None
    if found != "t5":
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
