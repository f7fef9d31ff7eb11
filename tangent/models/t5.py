"""T5 models: their configuration file, their weights as transformers names them, their encoder f.

The names of the whole model are those of `T5ForConditionalGeneration`, without the copies of the
token table; `lm_head.weight` is there where the language-model head is a matrix of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tangent.jobs.errors import UserError
from tangent.jobs.files import read_json

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import T5Config, T5ForConditionalGeneration

    from tangent.models.text_to_text import TextToText

CONFIG_FILE = "t5_config.json"
MODEL_FILE = "t5_model.safetensors"
TOKENIZER_FILE = "tokenizer.json"

_TABLE, _HEAD = HEAD_TENSORS = ("shared.weight", "lm_head.weight")
"""Token table and language-model head, which are one matrix where there is no second."""
_COPIES = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
# transformers leaves this table of old checkpoints out too: the blocks have no use for it.
_UNUSED = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
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
)
_LENGTHS = ("input_length", "answer_length")


def configuration(architecture: T5Config, input_length: int, answer_length: int) -> dict[str, Any]:
    """The content of `t5_config.json`.

    Args:
        architecture: transformers' values.
        input_length: L, tokens of a padded input, the end token included.
        answer_length: T, tokens of a padded answer, the end token included.
    """
    model = {name: getattr(architecture, name) for name in _ARCHITECTURE}
    # transformers 5 calls every T5 tied, and keeps what the checkpoint says under this name.
    model["tie_word_embeddings"] = architecture.scale_decoder_outputs
    return {"model_cfg": model, "input_length": input_length, "answer_length": answer_length}


def small_architecture(vocabulary: int, width: int = 96, layers: int = 2) -> T5Config:
    """A T5 for studies without a GPU: tied and with ReLU, as the first T5 models are.

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


def text_preprocessing(path: Path) -> dict[str, Any]:
    """`input_length` L and `answer_length` T from the configuration file `path`; needs no torch.

    Raises:
        UserError: the file is unreadable, or a length is missing.
    """
    content = read_json(path)
    missing = [name for name in _LENGTHS if not isinstance(content.get(name), int)]
    if missing:
        raise UserError(f"{path} lacks {', '.join(missing)}. Run the step `pretrained` again.")
    return {name: content[name] for name in _LENGTHS}


def new_encoder(config: Mapping[str, Any]) -> TextToText:
    """f of a configuration, at transformers' random initialisation."""
    from tangent.models.text_to_text import TextToText

    return TextToText(_t5_config(config), config["input_length"], config["answer_length"])


def new_model(config: Mapping[str, Any]) -> T5ForConditionalGeneration:
    """transformers' whole model of a configuration, at its random initialisation."""
    from transformers import T5ForConditionalGeneration

    return T5ForConditionalGeneration(_t5_config(config))


def own_tensors(model: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a state dict that are no copies of the token table, in float32."""
    own = {n: v.detach().float() for n, v in model.items() if n not in (*_COPIES, _UNUSED)}
    if _HEAD in own and _TABLE in own and own[_HEAD].equal(own[_TABLE]):
        del own[_HEAD]
    return own


def check_model(model: Mapping[str, Tensor], config: Mapping[str, Any], path: Path) -> None:
    """Compare the weights of a whole model, as `own_tensors` gives them, with a configuration.

    Raises:
        UserError: a key is missing, unexpected or of another shape; `path` is the weights' file.
    """
    import torch

    from tangent.models.encoders import check_state

    with torch.device("meta"):
        state = new_encoder(config).state_dict()
    expected = {_TABLE: state.pop("table"), **state}
    if _HEAD in model:
        expected[_HEAD] = expected[_TABLE]
    check_state(expected, model, path)


def encoder_state(model: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State dict of f, from the tensors of the whole model."""
    blocks = {n: value for n, value in model.items() if n.startswith(("encoder.", "decoder."))}
    return {**blocks, "table": model[_TABLE]}


def language_model_head(model: Mapping[str, Tensor], config: Mapping[str, Any]) -> Tensor:
    """The frozen head [vocabulary, d_model], float32: logits are decoder states @ head.T.

    Models that were trained with one matrix as token table and as head multiply the states by
    d_model^-0.5; here that is in the head.

    Args:
        model: the tensors of the whole model, of which `HEAD_TENSORS` are read.
        config: its configuration.
    """
    head = model.get(_HEAD, model[_TABLE]).float()
    architecture = config["model_cfg"]
    return head * architecture["d_model"] ** -0.5 if architecture["tie_word_embeddings"] else head


def _t5_config(config: Mapping[str, Any]) -> T5Config:
    from transformers import T5Config

    return T5Config(**config["model_cfg"], decoder_start_token_id=0)
