"""Prompts: filled from rows, tokenised, cut in their fields where they are too long."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from tangent.data.tokens import prompt_tokens
from tangent.jobs.errors import UserError
from tangent.tasks.task_files import TextTask, read_task

WORDS = [f"{first}{second}" for first in ("ba", "co", "du", "fy") for second in ("na", "lom", "ks")]


def task_file(folder: Path, **changes: str) -> Path:
    fields = {
        "name": "views",
        "description": "Two views",
        "kind": "text",
        "prompt": '"view: {text} good?"',
        "answers": '["no", "yes"]',
    } | changes
    path = folder / "views.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in fields.items()))
    return path


def text_task(prompt: str) -> TextTask:
    return TextTask("views", "", prompt, ("no", "yes"))


def test_a_text_task_is_read(tmp_path):
    task = read_task(task_file(tmp_path, label="stars", labels="[[low, bad], [high]]"))
    assert (task.classes, task.columns, task.label) == (("no", "yes"), ("text",), "stars")
    assert task.label_names == (("low", "bad"), ("high",))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt": '"view: good?"'}, "has no field"),
        ({"prompt": '"view: {} good?"'}, "not the name of a column"),
        ({"prompt": '"{text.upper}"'}, "not the name of a column"),
        ({"prompt": '"{text!r}"'}, "not the name of a column"),
        ({"prompt": '"{text:>9}"'}, "not the name of a column"),
        ({"prompt": '"view: {text"'}, "brace without its partner"),
        ({"prompt": "7"}, "prompt must be text"),
        ({"answers": "[yes, no]"}, "answers must be a list of strings"),
        ({"answers": '["yes"]'}, "at least two classes"),
        ({"answers": '["yes", "yes"]', "labels": "[[a], [b]]"}, "these repeat: yes"),
        ({"label": "3"}, "label must be the name of a column"),
        ({"kind": "sound"}, "kind is 'sound', but must be one of image, text"),
        ({"templates": "['a {}']"}, "exactly the keys name, description, prompt, answers"),
    ],
)
def test_an_unsound_file_is_refused(tmp_path, changes, message):
    with pytest.raises(UserError, match=message) as caught:
        read_task(task_file(tmp_path, **changes))
    assert "views.yaml" in str(caught.value)


def test_fields_are_columns_or_entries_of_columns():
    task = text_task("{{q}} {question} a) {choices[text][0]} b) {choices[text][1]} {n}{question}")
    row = {"question": "why?", "choices": {"text": ["so", "not so"]}, "n": 3}
    pieces = task.fill(row, "row 0")
    assert "".join(piece.text for piece in pieces) == "{q} why? a) so b) not so 3why?"
    assert [piece.text for piece in pieces if piece.is_field] == [
        "why?",
        "so",
        "not so",
        "3",
        "why?",
    ]
    assert task.columns == ("question", "choices", "n")


@pytest.mark.parametrize(
    ("prompt", "row", "message"),
    [
        ("{text}", {"txt": "a"}, r"row 0 has no \{text\}, which the prompt of the task views"),
        ("{c[text][2]}", {"c": {"text": ["a", "b"]}}, r"row 0 has no \{c\[text\]\[2\]\}"),
        ("{c[0]}", {"c": {"text": "a"}}, r"has no \{c\[0\]\}"),
        ("{text}", {"text": None}, "holds no text but None"),
        ("{c}", {"c": ["a", "b"]}, r"holds no text but \['a', 'b'\]: .* name a column"),
    ],
)
def test_a_prompt_without_its_field_is_refused(prompt, row, message):
    with pytest.raises(UserError, match=message):
        text_task(prompt).fill(row, "row 0")


def word_level() -> Tokenizer:
    ids = {word: number for number, word in enumerate(["<pad>", "</s>", "<unk>", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def unigram() -> Tokenizer:
    """A tokenizer of T5's kind: pieces of words, which carry the space before them."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=40,
        special_tokens=["<pad>", "</s>", "<unk>"],
        unk_token="<unk>",
        show_progress=False,
    )
    tokenizer.train_from_iterator([" ".join(WORDS)] * 20, trainer)
    return tokenizer


@pytest.mark.parametrize("tokenizer", [word_level(), unigram()], ids=["words", "pieces"])
def test_prompts_are_cut_in_their_longest_field_only(tokenizer):
    """Random fields and lengths: the question stays, and each field keeps its beginning."""
    rng = np.random.default_rng()
    task = text_task(f"{WORDS[0]} {{a}} {WORDS[1]} {{b}} {WORDS[2]} {WORDS[3]}")

    def tokens(text: str) -> list[int]:
        return tokenizer.encode(text, add_special_tokens=False).ids

    rows = [
        {name: " ".join(rng.choice(WORDS[4:], rng.integers(1, 14))) for name in "ab"}
        for _ in range(40)
    ]
    wholes = [tokens(task.prompt.format(**row)) for row in rows]
    length = int(np.median([len(whole) for whole in wholes])) + int(rng.integers(3))
    found, truncated = prompt_tokens(tokenizer, [task.fill(row, "") for row in rows], length, "it")
    assert found.shape == (40, length) and found.dtype == np.int64
    assert truncated == sum(len(whole) + 1 > length for whole in wholes)
    assert 0 < truncated < 40
    for row, whole, one in zip(rows, wholes, found, strict=True):
        kept = one[one != 0].tolist()
        assert kept.pop() == 1 and not one[len(kept) + 1 :].any()
        if len(whole) + 1 <= length:
            assert kept == whole
            continue
        assert len(kept) == length - 1
        first, between, after = (
            tokens(WORDS[0]), tokens(WORDS[1]), tokens(f"{WORDS[2]} {WORDS[3]}")
        )  # fmt: skip
        start = len(first)
        middle = next(i for i in range(start, len(kept)) if kept[i : i + len(between)] == between)
        left = [kept[start:middle], kept[middle + len(between) : -len(after)]]
        assert kept[:start] == first and kept[-len(after) :] == after
        of_fields = [tokens(row[name]) for name in "ab"]
        for part, full in zip(left, of_fields, strict=True):
            assert part == full[: len(part)]
        # Only the longer field was cut, unless it would then be the shorter one by more than 1.
        assert all(
            len(part) == len(full) or len(part) >= max(map(len, left)) - 1
            for part, full in zip(left, of_fields, strict=True)
        )


def test_a_prompt_that_does_not_fit_without_its_fields_is_refused():
    task = text_task(" ".join([*WORDS[:5], "{text}"]))
    filled = [task.fill({"text": WORDS[6]}, "")]
    assert prompt_tokens(word_level(), filled, 7, "it")[1] == 0
    assert prompt_tokens(word_level(), filled, 6, "it")[1] == 1
    with pytest.raises(UserError, match=r"it: its prompt has 5 tokens .* reads 4 .*input_length"):
        prompt_tokens(word_level(), filled, 5, "it")


@pytest.mark.parametrize("tokenizer", [word_level(), unigram()], ids=["words", "pieces"])
def test_a_field_can_vanish_and_its_question_stays(tokenizer):
    """The space before a field's first word is the prompt's, but its token is the field's."""
    around = [tokenizer.encode(word, add_special_tokens=False).ids for word in WORDS[:2]]
    filled = [text_task(f"{WORDS[0]} {{text}} {WORDS[1]}").fill({"text": WORDS[6]}, "")]
    found, _ = prompt_tokens(tokenizer, filled, len(around[0]) + len(around[1]) + 1, "it")
    assert found[0].tolist() == [*around[0], *around[1], 1]
