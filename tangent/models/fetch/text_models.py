"""Text-to-text models: of transformers on the hub, or from a pre-training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tangent.jobs.errors import UserError, first_line
from tangent.jobs.files import read_json, read_safetensors
from tangent.jobs.keys import NonEmptyString, PositiveInteger, RepositoryId
from tangent.models import t5
from tangent.models.encoders import check_state
from tangent.models.fetch.fetched import SOURCE_MODEL_FILE, Fetched
from tangent.models.fetch.model_source import ModelSource
from tangent.models.published.published_files import download
from tangent.models.published.tensors import read_tensors
from tangent.models.t5_tokenizer import CONFIG_FILE, END, PADDING, TOKENIZER_FILE, read_tokenizer

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
        config, tokenizer = self._file("config.json"), self._file(TOKENIZER_FILE)
        weights = self._weights()
        what = f"pretrained: {self.repository} at {self.revision}"
        architecture = _architecture(read_json(config), what)
        return text_to_text(
            read_tensors(weights),
            t5.configuration(architecture, self.input_length, self.answer_length),
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
    files = [folder / name for name in (SOURCE_MODEL_FILE, TOKENIZER_FILE, CONFIG_FILE)]
    weights, _ = read_safetensors(files[0])
    return text_to_text(weights, read_json(files[2]), files)


def text_to_text(model: Mapping[str, Tensor], config: dict[str, Any], files: list[Path]) -> Fetched:
    """A T5 model, checked.

    Args:
        model: state dict of transformers' whole model.
        config: as `tangent.models.t5.configuration` makes it.
        files: where these are from: the model, its `tokenizer.json`, and others.

    Raises:
        UserError: the weights do not fit the configuration, or the tokenizer does not fit both.
    """
    import torch

    weights = t5.own_tensors(model)
    with torch.device("meta"):
        state = t5.new_encoder(config).state_dict()
    expected = {t5.TABLE: state.pop("table"), **state}
    if t5.HEAD in weights:
        expected[t5.HEAD] = expected[t5.TABLE]
    check_state(expected, weights, files[0])
    read_tokenizer(files[1], config["model_cfg"]["vocab_size"], files[0])
    texts = {TOKENIZER_FILE: files[1].read_text(encoding="utf-8")}
    return Fetched("text_to_text", config, weights, t5.encoder_state(weights), files, texts)


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
