"""The public functions of the demo's world of text: rows of a task, examples for pre-training."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable

import numpy as np

from tangent.demo.sentences import EASY, HARD, Chance, Style, review, thing_seen
from tangent.demo.words import DOMAINS, KINDS, POLARITIES, PRETRAINING_DOMAINS, TOPICS
from tangent.jobs.errors import UserError

TASKS = (
    "polarity_books",
    "polarity_films",
    "topic_books",
    "topic_films",
    "domains",
)
CONTROL_TASK = "kinds"

Row = dict[str, str]

_STREAMS = {"train": 0, "test": 1, "pretraining": 2}
# Of all texts that can be written, the share that belongs to the test sets, of 256.
_TEST_SHARE = 64
_HARDER_SHARE = 0.1


def task_rows(task: str, split: str, n: int, seed: int) -> tuple[list[Row], np.ndarray]:
    """Write texts of one task.

    The first n are the same whatever the number asked for.

    Args:
        task: one of `TASKS`, or `CONTROL_TASK`.
        split: "train" or "test"; no text is of both.
        n: how many.
        seed: of the random generator, a whole number of at least 0.

    Returns:
        The fields of each text by name, and labels int64 [n].

    Raises:
        UserError: unknown task or split, or less than one text.
    """
    if task not in _ROWS:
        raise UserError(f"the demo world has no text task {task!r}: choose {', '.join(_ROWS)}.")
    if split not in ("train", "test"):
        raise UserError(f"the demo world has no split {split!r}: choose train or test.")
    if n < 1:
        raise UserError(f"task {task}: at least one text is needed, not {n}.")
    stream = [_STREAMS[split], zlib.crc32(task.encode()), seed]
    make, classes = _ROWS[task]
    rows, labels = [], np.empty(n, np.int64)
    for index in range(n):
        chance = Chance(np.random.default_rng([*stream, index]))
        labels[index] = chance.index(classes)
        row = make(chance, int(labels[index]))
        while _split_of(row) != split:
            row = make(chance, int(labels[index]))
        rows.append(row)
    return rows, labels


def _split_of(row: Row) -> str:
    digest = hashlib.sha256("\n".join(row.values()).encode()).digest()
    return "test" if digest[0] < _TEST_SHARE else "train"


def pretraining_texts(n: int, seed: int) -> list[tuple[str, str | None]]:
    """Write examples for pre-training: a question and its answer, or a text alone (None).

    The questions are about simple texts of other domains than the tasks' and are mostly put in
    other words. Texts alone are about everything.

    Raises:
        UserError: less than one example.
    """
    if n < 1:
        raise UserError(f"pre-training needs at least one text, not {n}.")
    bounds = np.cumsum([share for share, _ in _PRETRAINING])
    examples = []
    for index in range(n):
        chance = Chance(np.random.default_rng([_STREAMS["pretraining"], seed, index]))
        drawn = int(np.searchsorted(bounds, chance.rng.random() * bounds[-1], side="right"))
        examples.append(_PRETRAINING[drawn][1](chance))
    return examples


def _polarity(domain: str) -> Callable[[Chance, int], Row]:
    return lambda chance, label: {
        "text": review(chance, domain, chance.index(len(TOPICS)), label, HARD)
    }


def _topic(domain: str) -> Callable[[Chance, int], Row]:
    return lambda chance, label: {"text": review(chance, domain, label, chance.index(2), HARD)}


def _domains(chance: Chance, label: int) -> Row:
    domain, topic = list(DOMAINS)[label], chance.index(len(TOPICS))
    return {"text": review(chance, domain, topic, chance.index(2), HARD)}


def _kinds(chance: Chance, label: int) -> Row:
    text, thing = thing_seen(chance, label)
    return {"text": text, "thing": thing}


# What makes a row of a class, and the number of classes.
_ROWS: dict[str, tuple[Callable[[Chance, int], Row], int]] = {
    "polarity_books": (_polarity("books"), 2),
    "polarity_films": (_polarity("films"), 2),
    "topic_books": (_topic("books"), len(TOPICS)),
    "topic_films": (_topic("films"), len(TOPICS)),
    "domains": (_domains, len(DOMAINS)),
    "kinds": (_kinds, len(KINDS)),
}


def _style(chance: Chance) -> Style:
    return HARD if chance.happens(_HARDER_SHARE) else EASY


def _text_alone(chance: Chance) -> tuple[str, None]:
    if chance.happens(0.2):
        return thing_seen(chance, chance.index(len(KINDS)))[0], None
    topic, polarity = chance.index(len(TOPICS)), chance.index(2)
    style = HARD if chance.happens(0.5) else EASY
    return review(chance, chance.one(list(DOMAINS)), topic, polarity, style), None


def _ask_polarity(chance: Chance) -> tuple[str, str]:
    polarity = chance.index(2)
    topic = chance.index(len(TOPICS)) if chance.happens(0.4) else None
    text = review(chance, chance.one(PRETRAINING_DOMAINS), topic, polarity, _style(chance))
    question = chance.one(
        [
            "{} is the opinion positive or negative ?",
            "text : {} positive or negative ?",
            "review : {} what is the opinion ?",
        ]
    )
    return question.format(text), POLARITIES[polarity]


def _ask_topic(chance: Chance) -> tuple[str, str]:
    topic, polarity = chance.index(len(TOPICS)), chance.index(2)
    domain, polarity = chance.one(PRETRAINING_DOMAINS), polarity if chance.happens(0.4) else None
    text = review(chance, domain, topic, polarity, _style(chance))
    question = chance.one(
        [
            "{} which topic is it about ?",
            "text : {} what is the topic ?",
            "review : {} about what ?",
        ]
    )
    return question.format(text), TOPICS[topic]


def _ask_domain(chance: Chance) -> tuple[str, str]:
    domain = chance.one(list(DOMAINS))
    topic, polarity = chance.index(len(TOPICS)), chance.index(2)
    text = review(chance, domain, topic, polarity, _style(chance))
    question = chance.one(["{} what kind of work is it ?", "review : {} of what ?"])
    return question.format(text), DOMAINS[domain][0][0]


def _ask_kind(chance: Chance) -> tuple[str, str]:
    kind = chance.index(len(KINDS))
    text, thing = thing_seen(chance, kind)
    question = chance.one(
        [
            f"{text} . what kind of thing is the {thing} ?",
            f"{text} . what is it ?",
            f"what is a {thing} ?",
        ]
    )
    return question, list(KINDS)[kind]


# What pre-training reads, with shares.
_PRETRAINING: tuple[tuple[float, Callable[[Chance], tuple[str, str | None]]], ...] = (
    (0.12, _text_alone),
    (0.36, _ask_polarity),
    (0.22, _ask_topic),
    (0.12, _ask_domain),
    (0.18, _ask_kind),
)
