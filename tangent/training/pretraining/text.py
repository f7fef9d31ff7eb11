"""Pre-training of the demo's T5 from nothing (Raffel et al., 2020, at a toy scale).

Two kinds of examples are mixed, as T5 mixes them: texts of which spans are to be found again, and
questions that are to be answered.
"""

import logging
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import T5Config

from tangent.data.tokens import prompt_tokens
from tangent.demo import text_world as world
from tangent.jobs.files import write_json, write_safetensors, write_text
from tangent.models import t5, t5_tokenizer
from tangent.models.heads.answers import AnswersHead
from tangent.models.t5_tokenizer import END, PADDING, padded_answers
from tangent.tasks.task_files import load_task
from tangent.training.pretraining.recipes import WEIGHTS_FILE, Text
from tangent.training.pretraining.steps import Objective

# Small enough for studies without a GPU: tied and with ReLU, as the first T5 models are.
ARCHITECTURE = {"d_model": 96, "d_kv": 32, "d_ff": 384, "num_layers": 2, "num_heads": 3}
ARCHITECTURE |= {"relative_attention_max_distance": 64}
INPUT_LENGTH, ANSWER_LENGTH = 48, 2
# Of a text's words, the share that is cut out, and the words of a span.
_CUT_SHARE, _SPAN = 0.2, 2
EVALUATION_TEXTS, EVALUATION_SEED = 500, 1
_NO_TARGET = -100  # as transformers marks what does not count in its loss

logger = logging.getLogger("tangent")


def cut_spans(tokens: Sequence[int], sentinels: Sequence[int], rng: np.random.Generator) -> tuple:
    """T5's span corruption: spans are replaced by sentinels, the target says what they were.

    Args:
        tokens: of a text, without the end token.
        sentinels: ids in the order of their use.
        rng: which spans.

    Returns:
        The input and the target, each with the end token.
    """
    spans = min(max(1, round(_CUT_SHARE * len(tokens) / _SPAN)), len(sentinels))
    # One span in each of as many equal parts of the text, so that no two touch.
    part = len(tokens) // spans
    inputs: list[int] = []
    targets: list[int] = []
    position = 0
    for number in range(spans):
        length = min(1 + int(rng.integers(2 * _SPAN - 1)), max(1, part - 1))
        start = number * part + int(rng.integers(max(1, part - length)))
        inputs += [*tokens[position:start], sentinels[number]]
        position = start + length
        targets += [sentinels[number], *tokens[start:position]]
    return [*inputs, *tokens[position:], END], [*targets, END]


class TextObjective(Objective):
    """Examples, written, and a T5 (see `steps.Objective`).

    The model's weights are drawn from torch's global generator.

    Attributes:
        model: transformers' whole model.
        tokenizer: of all words.
    """

    def __init__(self, recipe: Text) -> None:
        started = time.monotonic()
        examples = world.pretraining_texts(recipe.texts, recipe.seed)
        self.tokenizer = world.build_tokenizer(text for pair in examples for text in pair if text)
        vocabulary = self.tokenizer.get_vocab_size()
        sentinels = [self.tokenizer.token_to_id(f"<extra_id_{n}>") for n in range(world.SENTINELS)]
        rng = np.random.default_rng(recipe.seed)
        questions = self._tokens([question for question, _ in examples])
        answers = self._tokens([answer or "" for _, answer in examples])
        pairs = [
            cut_spans(question, sentinels, rng)
            if said is None
            else ([*question, END], [*answer, END])
            for question, answer, (_, said) in zip(questions, answers, examples, strict=True)
        ]
        self._inputs, self._targets = (
            [torch.tensor(tokens) for tokens in part] for part in zip(*pairs, strict=True)
        )
        logger.info(
            "%d texts, %d tokens in %.0f s", recipe.texts, vocabulary, time.monotonic() - started
        )
        architecture = T5Config(vocab_size=vocabulary, **ARCHITECTURE)
        self._config = t5.configuration(architecture, INPUT_LENGTH, ANSWER_LENGTH)
        self.model = t5.new_model(self._config).eval()  # without dropout: an epoch is enough

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        encoded = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [one.ids for one in encoded]

    def loss(self, chosen: Tensor) -> Tensor:
        """The mean loss of the target tokens of the examples `chosen`, int64 [batch]."""
        inputs, targets = (
            pad_sequence([part[row] for row in chosen], batch_first=True, padding_value=padding)
            for part, padding in ((self._inputs, PADDING), (self._targets, _NO_TARGET))
        )
        return self.model(
            input_ids=inputs, attention_mask=(inputs != PADDING).long(), labels=targets
        ).loss

    def write(self, folder: Path) -> None:
        """Write the weights, the configuration and the tokenizer."""
        write_safetensors(folder / WEIGHTS_FILE, t5.own_tensors(self.model.state_dict()))
        write_json(folder / t5_tokenizer.CONFIG_FILE, self._config)
        write_text(folder / t5_tokenizer.TOKENIZER_FILE, self.tokenizer.to_str(pretty=True))

    def metrics(self) -> dict[str, Any]:
        """Zero-shot accuracies of fresh test texts."""
        accuracies = self.zero_shot_accuracies(EVALUATION_TEXTS, EVALUATION_SEED)
        return {
            "zero_shot": accuracies,
            "zero_shot_mean_of_tasks": statistics.mean(accuracies[task] for task in world.TASKS),
            "zero_shot_control": accuracies[world.CONTROL_TASK],
            "evaluation_texts": EVALUATION_TEXTS,
        }

    @torch.no_grad()
    def zero_shot_accuracies(self, texts: int, seed: int) -> dict[str, float]:
        """Zero-shot accuracy, in [0, 1], on fresh test texts of each task and the control task.

        Args:
            texts: how many of each task.
            seed: of the texts.
        """
        weights = t5.own_tensors(self.model.state_dict())
        encoder = t5.new_encoder(self._config)
        encoder.load_state_dict(t5.encoder_state(weights))
        table = t5.language_model_head(weights, self._config).numpy()
        accuracies = {}
        for name in (*world.TASKS, world.CONTROL_TASK):
            task = load_task(name)
            rows, labels = world.task_rows(name, "test", texts, seed)
            filled = [task.fill(row, name) for row in rows]
            prompts, _ = prompt_tokens(self.tokenizer, filled, INPUT_LENGTH, name)
            answers = padded_answers(self.tokenizer, task.classes, ANSWER_LENGTH, name)
            tokens = np.hstack([prompts, np.tile(answers.reshape(-1), (texts, 1))])
            features = encoder(torch.from_numpy(tokens)).numpy()
            logits = AnswersHead(table, answers, INPUT_LENGTH).logits(features)
            accuracies[name] = float((logits.argmax(axis=1) == labels).mean())
        return accuracies


prepare = TextObjective
