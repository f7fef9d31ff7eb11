"""The folder of a T5 model: configuration, whole model, encoder f and tokenizer.

The whole model has transformers' names (`T5ForConditionalGeneration`), without the copies of its
token table; `lm_head.weight` is there where the language-model head is a matrix of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tangent.errors import UserError
from tangent.files import read_json, read_safetensors, write_json, write_safetensors, write_text
from tangent.models.t5_tokenizer import TOKENIZER_FILE, check_tokenizer, parse_tokenizer

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import T5Config, T5ForConditionalGeneration

    from tangent.models.text_to_text import TextToText

CONFIG_FILE = "t5_config.json"
MODEL_FILE = "t5_model.safetensors"
ENCODER_FILE = "encoder.safetensors"

LENGTHS = ("input_length", "answer_length")

_TABLE, _HEAD = "shared.weight", "lm_head.weight"
_ARCHITECTURE = (
    "vocab_size",
    "d_model",
    "d_kv",
    "d_ff",
    "num_layers",
    "num_decoder_layers",
    "num_heads",
    "relative_attention_num_buckets",
    "relative_attention_max_distance",
    "layer_norm_epsilon",
    "initializer_factor",
    "feed_forward_proj",
    "tie_word_embeddings",
)
# transformers leaves this table of old checkpoints out too: no position has it.
_UNUSED = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"


def configuration(
    architecture: T5Config, input_length: int, answer_length: int
) -> dict[str, Any]:
    """What `t5_config.json` says of a model.

    Args:
        architecture: transformers' values.
        input_length: L, tokens of an input, end token included.
        answer_length: T, tokens of an answer, end token included.
    """
    # transformers calls every T5 tied; what the checkpoint said is kept as the states' scale.
    values = {**architecture.to_dict(), "tie_word_embeddings": architecture.scale_decoder_outputs}
    return {
        "architecture": {name: values[name] for name in _ARCHITECTURE},
        "input_length": input_length,
        "answer_length": answer_length,
    }


def small_architecture(vocabulary: int, width: int = 96, layers: int = 2) -> T5Config:
    """A T5 for studies without a GPU: tied, with ReLU, as the first T5 models are.

    Args:
        vocabulary: tokens.
        width: d_model, a multiple of 32, the size of an attention head.
        layers: blocks of the encoder, and of the decoder.
    """
    from transformers import T5Config

    return T5Config(
        vocab_size=vocabulary,
        d_model=width,
        d_kv=32,
        d_ff=4 * width,
        num_layers=layers,
        num_heads=width // 32,
        relative_attention_max_distance=64,
    )


def read_config(path: Path) -> dict[str, Any]:
    """Read a `t5_config.json`; needs no torch.

    Raises:
        UserError: the file is missing, or a value is.
    """
    content = read_json(path)
    architecture = content.get("architecture", {}) if isinstance(content, dict) else {}
    missing = [name for name in _ARCHITECTURE if name not in architecture]
    missing += [name for name in LENGTHS if not isinstance(content.get(name), int)]
    if missing:
        raise UserError(f"{path}: {', '.join(missing)} missing. Run the step `pretrained` again.")
    return content


def token_lengths(folder: Path) -> dict[str, int]:
    """`input_length` L and `answer_length` T of a model: how its data are prepared; needs no torch.

    Raises:
        UserError: as `read_config`.
    """
    config = read_config(Path(folder) / CONFIG_FILE)
    return {name: config[name] for name in LENGTHS}


def new_encoder(config: Mapping[str, Any]) -> TextToText:
    """f of a configuration, at transformers' random initialisation."""
    from tangent.models.text_to_text import TextToText

    return TextToText(_t5_config(config), config["input_length"], config["answer_length"])


def new_model(config: Mapping[str, Any]) -> T5ForConditionalGeneration:
    """transformers' whole model of a configuration, at its random initialisation."""
    from transformers import T5ForConditionalGeneration

    return T5ForConditionalGeneration(_t5_config(config))


def encoder_state(model: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State dict of f, from that of the whole model."""
    blocks = {n: v for n, v in model.items() if n.startswith(("encoder.", "decoder."))}
    return {**blocks, "table": model[_TABLE]}


def head_table(folder: Path) -> Tensor:
    """The frozen language-model head, float32 [vocabulary, d_model]: logits are states @ table.T.

    Models that were trained with one matrix for head and token table scale the states by
    d_model^-0.5; here that is in the matrix.

    Raises:
        UserError: a file of the folder is missing or damaged.
    """
    architecture = read_config(Path(folder) / CONFIG_FILE)["architecture"]
    tensors, _ = read_safetensors(Path(folder) / MODEL_FILE)
    table = tensors.get(_HEAD, tensors[_TABLE]).float()
    scale = architecture["d_model"] ** -0.5 if architecture["tie_word_embeddings"] else 1.0
    return scale * table


def write(
    model: Mapping[str, Tensor],
    config: Mapping[str, Any],
    tokenizer: str,
    folder: Path,
    metadata: Mapping[str, str],
    origin: Path | None = None,
) -> None:
    """Write a model's folder.

    Args:
        model: state dict of transformers' whole model, with or without copies of the token table.
        config: as `configuration` makes it.
        tokenizer: content of `tokenizer.json`.
        folder: where it goes.
        metadata: of the weights.
        origin: the file of the weights, for messages; the file to be written if None.

    Raises:
        UserError: the weights do not fit the configuration, or the tokenizer does not fit both.
    """
    path = origin or folder / MODEL_FILE
    state = _own_tensors(model)
    _check(state, config, path)
    check_tokenizer(
        parse_tokenizer(tokenizer, folder / TOKENIZER_FILE),
        config["architecture"]["vocab_size"],
        (folder / TOKENIZER_FILE, path),
    )
    write_json(folder / CONFIG_FILE, config)
    write_text(folder / TOKENIZER_FILE, tokenizer)
    write_safetensors(folder / MODEL_FILE, state, metadata)
    write_safetensors(folder / ENCODER_FILE, encoder_state(state), metadata)


def _t5_config(config: Mapping[str, Any]) -> T5Config:
    from transformers import T5Config

    return T5Config(**config["architecture"], decoder_start_token_id=0)


def _own_tensors(model: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a state dict that are no copies of another one, in float32."""
    copies = {f"{stack}.embed_tokens.weight" for stack in ("encoder", "decoder")}
    state = {n: v.detach().float() for n, v in model.items() if n not in {*copies, _UNUSED}}
    table, head = state.get(_TABLE), state.get(_HEAD)
    if table is not None and head is not None and table.equal(head):
        del state[_HEAD]
    return state


def _check(state: Mapping[str, Tensor], config: Mapping[str, Any], path: Path) -> None:
    import torch

    from tangent.models.load import check_state

    with torch.device("meta"):
        expected = new_encoder(config).state_dict()
    expected[_TABLE] = expected.pop("table")
    if _HEAD in state:
        expected[_HEAD] = expected[_TABLE]
    check_state(expected, state, path)
