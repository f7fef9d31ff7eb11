"""T5 as an encoder f(x; θ): token ids to the decoder's states at the candidate answers.

The blocks are those of transformers. What differs from its `T5ForConditionalGeneration` is what the
study needs: the token table is a constant, and all candidate answers share one pass.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import T5Config
from transformers.models.t5.modeling_t5 import T5LayerNorm, T5Stack

from tangent.models.t5_tokenizer import PADDING


class TextToText(nn.Module):
    """T5's encoder and decoder under a constant token table.

    The candidates are one sequence of the decoder: each attends to itself and to what comes before
    it within its own answer. T5 knows positions by their differences only, so the states are
    those of one pass per candidate, while the input is encoded, and its keys and values are made,
    once for all of them.

    Always in evaluation mode's arithmetic: T5's dropout is left out.

    Args:
        architecture: transformers' values of the model.
        input_length: L, tokens of a padded input.
        answer_length: T, tokens of a padded answer.

    Attributes:
        table: the token embeddings [vocabulary, d_model], a buffer: no task vector changes it.
    """

    def __init__(self, architecture: T5Config, input_length: int, answer_length: int) -> None:
        super().__init__()
        self.input_length, self.answer_length = input_length, answer_length
        self.encoder = _stack(architecture, architecture.num_layers, is_decoder=False)
        self.decoder = _stack(architecture, architecture.num_decoder_layers, is_decoder=True)
        table = torch.randn(architecture.vocab_size, architecture.d_model)
        self.register_buffer("table", architecture.initializer_factor * table)

    def forward(self, tokens: Tensor) -> Tensor:
        """Decoder states after the final norm, at each token of each answer; zero at padding.

        Args:
            tokens: int64 [batch, L + C·T]: the input, then the C candidate answers, each padded.

        Returns:
            [batch, C·T·d_model].
        """
        inputs, answers = tokens[:, : self.input_length], tokens[:, self.input_length :]
        readable = self._additive(inputs != PADDING)[:, None, None, :]
        encoded = self.encoder(
            inputs_embeds=F.embedding(inputs, self.table), attention_mask=readable
        ).last_hidden_state
        states = self.decoder(
            inputs_embeds=F.embedding(self._shifted(answers), self.table),
            attention_mask=self._additive(self._visible(answers))[None, None],
            encoder_hidden_states=encoded,
            encoder_attention_mask=readable,
            use_cache=False,
        ).last_hidden_state
        return (states * (answers != PADDING)[..., None]).flatten(start_dim=1)

    def _shifted(self, answers: Tensor) -> Tensor:
        """What the decoder reads, [batch, C·T]: at each token of an answer the one before."""
        each = answers.unflatten(1, (-1, self.answer_length))
        return F.pad(each[..., :-1], (1, 0), value=PADDING).flatten(start_dim=1)

    def _visible(self, answers: Tensor) -> Tensor:
        """Which positions attend to which, bool [C·T, C·T]: causal within an answer."""
        position = torch.arange(answers.shape[1], device=answers.device)
        answer = position // self.answer_length
        return (answer[:, None] == answer) & (position[:, None] >= position)

    def _additive(self, allowed: Tensor) -> Tensor:
        # Masks of four dimensions are added as they are; others would be read value by value.
        return (~allowed).to(self.table.dtype) * torch.finfo(self.table.dtype).min


class _Norm(nn.Module):
    """T5's norm in the type of its input; transformers', which it replaces, rounds to float32."""

    def __init__(self, norm: T5LayerNorm) -> None:
        super().__init__()
        self.weight, self._epsilon = norm.weight, norm.variance_epsilon

    def forward(self, states: Tensor) -> Tensor:
        variance = states.square().mean(-1, keepdim=True)
        return self.weight * (states * torch.rsqrt(variance + self._epsilon))


def _stack(architecture: T5Config, layers: int, is_decoder: bool) -> T5Stack:
    config = copy.deepcopy(architecture)
    config.num_layers, config.is_decoder, config.use_cache = layers, is_decoder, False
    config.vocab_size, config.dropout_rate = 1, 0.0  # embeddings are given
    config._attn_implementation = "eager"  # the fused kernels have no forward-mode derivative
    stack = T5Stack(config)
    del stack.embed_tokens
    for module in list(stack.modules()):
        for name, child in module.named_children():
            if isinstance(child, T5LayerNorm):
                setattr(module, name, _Norm(child))
    return stack
