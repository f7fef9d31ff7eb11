"""The demo's world of text, its tokenizer, and the pre-training of a T5 at the smallest scale."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tangent.demo.text_world import (
    CONTROL_TASK,
    PRETRAINING_DOMAINS,
    TASKS,
    build_tokenizer,
    pretraining_texts,
    task_rows,
)
from tangent.jobs.errors import UserError
from tangent.models.fetch.fetching import fetch
from tangent.tasks.task_files import load_task
from tangent.training.pretraining.recipes import read_recipe
from tangent.training.pretraining.steps import pretrain
from tangent.training.pretraining.text import cut_spans

ALL = (*TASKS, CONTROL_TASK)


@pytest.mark.parametrize("task", ALL)
def test_a_task_has_its_fields_and_all_its_classes(task):
    rows, labels = task_rows(task, "train", 300, 0)
    assert set(labels) == set(range(len(load_task(task).classes)))
    assert all("".join(piece.text for piece in load_task(task).fill(row, "")) for row in rows)


@pytest.mark.parametrize("task", ALL)
def test_splits_share_no_text_and_begin_alike(task):
    seed = int(np.random.default_rng().integers(1000))
    train, labels = task_rows(task, "train", 1500, seed)  # enough to meet by chance, in the control
    test, _ = task_rows(task, "test", 1500, seed)
    assert not {str(row) for row in train} & {str(row) for row in test}
    again, of_again = task_rows(task, "train", 20, seed)
    assert again == train[:20] and np.array_equal(of_again, labels[:20])
    assert task_rows(task, "train", 20, seed + 1)[0] != again


def test_what_is_not_there_is_refused():
    with pytest.raises(UserError, match="no text task 'shapes': choose polarity_books"):
        task_rows("shapes", "train", 1, 0)


def test_pretraining_asks_about_opinions_on_other_domains_than_the_tasks():
    examples = pretraining_texts(2000, 0)
    opinions = [text for text, answer in examples if answer in ("negative", "positive")]
    assert len(opinions) > 300 and "paintings" in PRETRAINING_DOMAINS
    assert not any(word in text.split() for text in opinions for word in ("book", "film", "novel"))
    assert any("book" in text.split() for text, answer in examples if answer is None)


def test_the_tokenizer_knows_every_word_of_the_tasks():
    tokenizer = build_tokenizer(
        text for pair in pretraining_texts(20_000, 0) for text in pair if text
    )
    unknown = tokenizer.token_to_id("<unk>")
    assert [tokenizer.token_to_id(token) for token in ("<pad>", "</s>", "<unk>")] == [0, 1, 2]
    for name in ALL:
        task = load_task(name)
        texts = [
            "".join(p.text for p in task.fill(row, ""))
            for row in task_rows(name, "test", 200, 0)[0]
        ]
        for text in (*texts, *task.classes):
            ids = tokenizer.encode(text).ids
            assert unknown not in ids and ids[-1] == 1, text
        answers = {tuple(tokenizer.encode(answer).ids) for answer in task.classes}
        assert len(answers) == len(task.classes)


def test_cut_spans_can_be_put_back():
    """Random texts: the target's spans in the places of their sentinels give the text again."""
    rng = np.random.default_rng()
    sentinels = [99, 98, 97, 96]
    for length in (1, 2, 3, *rng.integers(4, 40, 50)):
        text = rng.integers(3, 90, length).tolist()
        inputs, targets = cut_spans(text, sentinels, rng)
        assert inputs.pop() == targets.pop() == 1
        spans: dict[int, list[int]] = {}
        for token in targets:
            if token in sentinels:
                last = spans.setdefault(token, [])
            else:
                last.append(token)
        restored = [t for token in inputs for t in spans.get(token, [token])]
        assert restored == text
        assert all(spans.values()) and list(spans) == sentinels[: len(spans)]


def test_a_few_steps_reduce_the_loss_and_what_is_written_can_be_fetched(tmp_path):
    options = '{"objective": "text", "texts": 960, "epochs": 1, "batch_size": 32, "seed": 0, '
    module, recipe = read_recipe(options + '"learning_rate": 3.0e-3, "threads": 1}')
    assert recipe.steps == 30
    torch.manual_seed(recipe.seed)
    objective = module.prepare(recipe)
    rows = pretrain(objective, recipe, [recipe.steps]).rows
    first, last = (sum(row.loss for row in part) / 5 for part in (rows[:5], rows[-5:]))
    assert last < first - 0.3
    objective.write(tmp_path)
    entry = {"source": "pretraining", "recipe": {"objective": "text"}, "step": 30}
    fetched = fetch({**entry, "folder": str(tmp_path)})
    assert fetched.family == "text_to_text"
    table = objective.model.shared.weight
    assert torch.equal(fetched.encoder["table"], table) and "table" not in fetched.weights
    accuracies = objective.zero_shot_accuracies(8, 1)
    assert set(accuracies) == set(ALL) and all(0 <= value <= 1 for value in accuracies.values())
