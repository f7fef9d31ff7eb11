"""The tokenizer of the demo's text-to-text models: a token per word of the demo's world of text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tangent.demo.text_world import CONTROL_TASK, TASKS
from tangent.tasks.task_files import literals, load_task

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SENTINELS = 16
"""Tokens that stand for spans that were cut out; as in T5 the first one has the largest id."""

_SPECIAL = ("<pad>", "</s>", "<unk>")
_WORD = re.compile(r"\w+|[^\w\s]+")


def build_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """A tokenizer over the words of some texts, and of the prompts and answers of all tasks.

    Ids: 0 is padding, 1 the end of a text, 2 an unknown word; then the words by alphabet, then the
    sentinels.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    tasks = [load_task(name) for name in (*TASKS, CONTROL_TASK)]
    of_tasks = [text for task in tasks for text in (*literals(task.prompt), *task.classes)]
    words = sorted({word for text in (*texts, *of_tasks) for word in _WORD.findall(text.lower())})
    sentinels = [f"<extra_id_{number}>" for number in reversed(range(SENTINELS))]
    ids = {token: number for number, token in enumerate((*_SPECIAL, *words, *sentinels))}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", ids["</s>"])]
    )
    tokenizer.add_special_tokens([*_SPECIAL, *sentinels])
    return tokenizer
