"""T5 models: their configuration file, their weights as transformers names them, their encoder f.

The names of the whole model are those of `T5ForConditionalGeneration`, without the copies of the
token table; `lm_head.weight` is there where the language-model head is a matrix of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import T5Config, T5ForConditionalGeneration

    from tangent.models.text_to_text import TextToText

MODEL_FILE = "t5_model.safetensors"

TABLE, HEAD = "shared.weight", "lm_head.weight"
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
    if HEAD in own and TABLE in own and own[HEAD].equal(own[TABLE]):
        del own[HEAD]
    return own


def encoder_state(model: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State dict of f, from the tensors of the whole model."""
    blocks = {n: value for n, value in model.items() if n.startswith(("encoder.", "decoder."))}
    return {**blocks, "table": model[TABLE]}


def language_model_head(model: Mapping[str, Tensor], config: Mapping[str, Any]) -> Tensor:
    """The frozen head [vocabulary, d_model], float32: logits are decoder states @ head.T.

    Models that were trained with one matrix as token table and as head multiply the states by
    d_model^-0.5; here that is in the head.

    Args:
        model: the tensors of the whole model, of which `TABLE` and `HEAD` are read.
        config: its configuration.
    """
    head = model.get(HEAD, model[TABLE]).float()
    architecture = config["model_cfg"]
    return head * architecture["d_model"] ** -0.5 if architecture["tie_word_embeddings"] else head


def _t5_config(config: Mapping[str, Any]) -> T5Config:
    from transformers import T5Config

    return T5Config(**config["model_cfg"], decoder_start_token_id=0)
