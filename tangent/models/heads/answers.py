"""Scores of candidate answers under a text-to-text model's language-model head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tangent.jobs.files import open_safetensors
from tangent.models import t5
from tangent.models.families import model_config
from tangent.models.heads.head import Head, TorchHead
from tangent.models.t5_tokenizer import load_tokenizer, padded_answers

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from tangent.tasks.task_files import AnyTask

_LOGITS_AT_ONCE = 2**25
"""Logits of the vocabulary that are held at once where no gradient is kept: 128 MiB in float32."""


class _TorchAnswersHead(TorchHead):
    def __init__(self, head: AnswersHead, device: torch.device | str) -> None:
        super().__init__(head, device)
        self._tokens, self._input_length = self.tensors["tokens"], head.input_length
        self._positions = self._tokens.flatten().nonzero()[:, 0]

    def inputs(self, x: Tensor) -> Tensor:
        """Token ids [batch, L + C·T] of the same inputs with this head's answers."""
        import torch

        answers = self._tokens.flatten().expand(len(x), -1)
        return torch.cat([x[:, : self._input_length], answers], dim=1)

    def logits(self, features: Tensor) -> Tensor:
        import torch

        table = self.tensors["table"].to(features)
        tokens = self._tokens.flatten()[self._positions]
        states = features.unflatten(1, (self._tokens.numel(), -1))[:, self._positions]
        # The same two terms as log_softmax, of which a backward pass keeps the logits only.
        parts = _parts(len(features), len(tokens) * len(table))
        normalisers = [torch.logsumexp(states[part] @ table.T, dim=-1) for part in parts]
        scores = (states * table[tokens]).sum(dim=-1) - torch.cat(normalisers)
        answer = self._positions // self._tokens.shape[1]
        return scores @ torch.nn.functional.one_hot(answer, self.classes).to(scores)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """−Σ score of the right answer: transformers' loss times the answers' tokens."""
        return -logits.gather(1, labels[:, None]).sum()


@dataclass(frozen=True, eq=False)
class AnswersHead(Head):
    """The score of an answer is its log-probability, Σ_t log softmax(table @ state_t)[token_t].

    Features are the decoder's states at the T positions of the C candidate answers, [n, C·T·d]
    (`tangent.models.text_to_text`). The sum is over an answer's tokens, the end token included and
    padding left out, so −score is the text-to-text loss of the answer, summed and not averaged.

    Attributes:
        table: the language-model head.
        tokens: of the answers, padded with 0.
        input_length: L, the tokens that stand before the answers in the encoder's input.
    """

    kind: ClassVar[str] = "answers"
    tensors: ClassVar[dict[str, str]] = {
        "table": "float32 [vocabulary, d]",
        "tokens": "int64 [classes, T]",
        "input_length": "int64 [1]",
    }
    on_device: ClassVar[type[TorchHead]] = _TorchAnswersHead
    table: np.ndarray
    tokens: np.ndarray
    input_length: int

    @property
    def width(self) -> int:
        return self.tokens.size * self.table.shape[1]

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], path: Path) -> AnswersHead:
        head = super().from_arrays(arrays, path)
        return replace(head, input_length=int(arrays["input_length"][0]))

    @classmethod
    def build(cls, folder: Path, task: AnyTask, device: torch.device) -> AnswersHead:
        config, tokenizer = model_config(folder), load_tokenizer(folder)
        length, what = config["answer_length"], f"task {task.name}"
        tokens = padded_answers(tokenizer, task.classes, length, what)
        with open_safetensors(folder / t5.MODEL_FILE, "pt") as file:
            names = {t5.TABLE, t5.HEAD}.intersection(file.keys())
            table = t5.language_model_head({n: file.get_tensor(n) for n in names}, config)
        return cls(table.numpy(), tokens, config["input_length"])

    def _scores(self, features: np.ndarray) -> np.ndarray:
        positions = np.flatnonzero(self.tokens)
        tokens, rows = self.tokens.flat[positions], self.table[self.tokens.flat[positions]]
        states = features.reshape(len(features), self.tokens.size, -1)
        scores = np.zeros((len(features), self.tokens.size), dtype=np.float32)
        for part in _parts(len(features), len(tokens) * len(self.table)):
            chosen = states[part][:, positions]
            logits = chosen @ self.table.T
            largest = logits.max(axis=-1, keepdims=True)
            normaliser = largest[..., 0] + np.log(np.exp(logits - largest).sum(axis=-1))
            scores[part, positions] = np.einsum("npd,pd->np", chosen, rows) - normaliser
        return scores.reshape(len(features), *self.tokens.shape).sum(axis=-1)


def _parts(rows: int, logits_per_row: int) -> Iterator[slice]:
    """Slices of the rows of a batch whose logits fit into memory together."""
    step = max(1, _LOGITS_AT_ONCE // logits_per_row)
    return (slice(start, start + step) for start in range(0, max(1, rows), step))
