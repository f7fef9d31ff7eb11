"""Texts prepared for a model: splits, tokens, hashes; and what evaluation and training read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from tangent.data.preparation import Recipe, cut_validation, prepare
from tangent.data.sources.source import SourceData, TextRows
from tangent.data.split import load_split
from tangent.data.tokens import TextForm
from tangent.evaluation.features import StoredExamples
from tangent.jobs.errors import UserError
from tangent.jobs.files import read_metadata
from tangent.tasks.task_files import TextTask
from tangent.training.batches import TrainingBatches
from tangent.training.examples import training_examples

TASK = TextTask("moods", "", "view {text} good ?", ("no", "oh yes"))
LENGTHS = {"input_length": 10, "answer_length": 3}
WORDS = ["view", "good", "?", "no", "oh", "yes", *(f"w{number}" for number in range(40))]


def form(words: list[str] = WORDS, **lengths: int) -> TextForm:
    ids = {word: number for number, word in enumerate(["<pad>", "</s>", "<unk>", *words])}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return TextForm(tokenizer, "ab" * 32, **LENGTHS | lengths)


def texts(n: int, seed: int | None = None) -> TextRows:
    """Texts of 1 to 9 words, some too long for the model."""
    rng = np.random.default_rng(seed)
    values = [{"text": " ".join(rng.choice(WORDS[6:], rng.integers(2, 10)))} for _ in range(n)]
    return TextRows(values, np.arange(n) % 2, "texts")


@pytest.fixture
def prepared(tmp_path) -> Callable[..., tuple[Path, dict[str, Any]]]:
    """Prepare texts of TASK; returns the folder and the description."""

    def run(
        train: TextRows, test: TextRows, folder: str = "moods", of: TextForm | None = None
    ) -> tuple[Path, dict[str, Any]]:
        source = SourceData(train, None, test, TASK.classes)
        recipe = Recipe(of or form(), fraction=0.2)
        return tmp_path / folder, prepare(TASK, source, recipe, tmp_path / folder)

    return run


def spoken(row: np.ndarray, words: list[str] = WORDS) -> str:
    """What tokens say, without padding and end."""
    return " ".join(words[token - 3] for token in row if token > 1)


def test_splits_hold_prompts_and_answers_by_the_protocols_cut(prepared):
    train, test = texts(50), texts(20)
    folder, description = prepared(train, test)
    splits = {name: load_split(folder, name, LENGTHS) for name in ("train", "validation", "test")}
    said = {name: [spoken(row) for row in split.tokens[:, :10]] for name, split in splits.items()}
    # In the order of their digests, which no library of ours decides here.
    order = np.argsort([row.tobytes() for row in _digests(train)])
    chosen = dict(zip(("train", "validation"), cut_validation(50, 0.2, 5000), strict=True))
    for name, rows in chosen.items():
        values = [train.values[row]["text"].split()[:6] for row in order[rows]]
        assert said[name] == [f"view {' '.join(words)} good ?" for words in values]
        assert splits[name].labels.tolist() == train.labels[order[rows]].tolist()
    answers = np.array([[6, 1, 0], [7, 8, 1]]).reshape(-1)
    for name, split in splits.items():
        assert (split.tokens[:, 10:] == answers).all() and split.tokens.dtype == np.int64
        cut = sum(len(row["text"].split()) > 6 for row in _rows_of(split, train, test))
        assert description["splits"][name]["truncated"] == cut
        assert read_metadata(folder / f"{name}.safetensors")["kind"] == "text"
    assert description["geometry"] == LENGTHS


def _digests(rows: TextRows) -> list[np.ndarray]:
    import hashlib

    digests = []
    for value, label in zip(rows.values, rows.labels, strict=True):
        content = b"text:" + json.dumps(value).encode() + int(label).to_bytes(8, "little")
        digests.append(np.frombuffer(hashlib.sha256(content).digest(), np.uint8))
    return digests


def _rows_of(split, *parts: TextRows) -> list[dict[str, Any]]:
    known = {
        digest.tobytes(): value
        for part in parts
        for digest, value in zip(_digests(part), part.values, strict=True)
    }
    return [known[row.tobytes()] for row in np.asarray(split.hashes)]


def test_splits_and_digests_are_the_same_for_every_model(prepared):
    """Another tokenizer and other lengths: the same rows in the same places."""
    train, test = texts(30, seed=1), texts(10, seed=2)
    first, about = prepared(train, test)
    longer = form([*reversed(WORDS)], input_length=14)
    second, about_second = prepared(train, test, "others", longer)
    for name in ("train", "validation", "test"):
        one, other = load_split(first, name), load_split(second, name)
        assert np.array_equal(one.hashes, other.hashes) and one.content == other.content
        assert not np.array_equal(one.tokens[:, :5], other.tokens[:, :5])
        assert about["splits"][name]["sha256"] == about_second["splits"][name]["sha256"]
    with pytest.raises(UserError, match="with input_length 14, but the model's .* input_length 10"):
        load_split(second, "train", LENGTHS)


def test_a_leak_between_the_splits_is_refused(prepared):
    train = texts(40)
    leaking = TextRows(train.values[:20], train.labels[:20], "texts")
    with pytest.raises(UserError, match="test texts are also .* texts .*accuracies would be"):
        prepared(train, leaking)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("no", "oh yes oh yes"), "'oh yes oh yes' has 5 tokens"),
        (("unheard", "unknown"), "does not tell the answers 'unheard' and 'unknown' apart"),
    ],
)
def test_answers_that_the_model_cannot_give_are_refused(tmp_path, classes, message):
    task = TextTask("moods", "", TASK.prompt, classes)
    source = SourceData(texts(20), None, texts(8), None)
    with pytest.raises(UserError, match=message):
        prepare(task, source, Recipe(form()), tmp_path)
    assert not list(tmp_path.glob("*.safetensors"))


def test_a_row_without_a_field_is_named(tmp_path):
    rows = texts(20)
    rows.values[7].clear()
    with pytest.raises(UserError, match=r"the data set moods, texts, row 7 has no \{text\}"):
        prepare(TASK, SourceData(rows, None, texts(8), None), Recipe(form()), tmp_path)
    assert not list(tmp_path.glob("*.safetensors"))


def test_evaluations_read_the_tokens_in_order(prepared):
    folder, _ = prepared(texts(40), texts(30))
    tokens = np.array(load_split(folder, "test").tokens)
    stored = StoredExamples(folder.parent, LENGTHS)
    examples = stored(folder.name, "test")
    examples.keep()
    assert torch.equal(torch.cat(list(examples.batches(7))), torch.from_numpy(tokens))
    assert len(examples) == 30 and examples.nbytes == tokens.nbytes
    rows, sample = stored.sample(folder.name, "test", 9, 3)
    assert torch.equal(sample.whole(), torch.from_numpy(tokens[rows])) and len(set(rows)) == 9


def test_training_batches_are_the_texts_in_the_order_that_images_have(prepared):
    """Every text once an epoch; the random numbers are those of a task without augmentation."""
    split = load_split(prepared(texts(43), texts(9))[0], "train")
    settings = {"seed": 5, "task": "moods", "device": torch.device("cpu")}
    batches = TrainingBatches(training_examples(split, LENGTHS), 8, **settings)
    epoch = list(batches.epoch(1))
    seen = torch.cat([batch.inputs for batch in epoch])
    labels = torch.cat([batch.labels for batch in epoch])
    from tangent.jobs.runtime import generator

    order = torch.randperm(len(split), generator=generator(5, "moods", 1))
    assert torch.equal(seen, torch.from_numpy(np.array(split.tokens))[order])
    assert torch.equal(labels, torch.from_numpy(split.labels)[order])
    like = batches.examples.like(8)
    assert (like.shape, like.dtype) == (epoch[0].inputs.shape, epoch[0].inputs.dtype)
    shares = [
        TrainingBatches(training_examples(split, LENGTHS), 8, **settings, rank=rank, processes=2)
        for rank in range(2)
    ]
    for batch, *parts in zip(epoch, *(share.epoch(1) for share in shares), strict=True):
        together = torch.cat([part.inputs for part in parts if part.weight])
        assert sorted(together.tolist()) == sorted(batch.inputs.tolist())
