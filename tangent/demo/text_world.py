"""The demo's world of text: reviews and sentences by grammars, rows of a task, and a tokenizer."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import yaml

from tangent.jobs.errors import UserError
from tangent.tasks.task_files import literals, load_task

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TASKS = ("polarity_books", "polarity_films", "topic_books", "topic_films", "domains")
CONTROL_TASK = "kinds"

SENTINELS = 16
"""Tokens that stand for spans that were cut out; as in T5 the first one has the largest id."""

_SPECIAL = ("<pad>", "</s>", "<unk>")
_WORD = re.compile(r"\w+|[^\w\s]+")

Row = dict[str, str]

_STREAMS = {"train": 0, "test": 1, "pretraining": 2}
# Of all texts that can be written, the share that belongs to the test sets, of 256.
_TEST_SHARE = 64
_HARDER_SHARE = 0.1

Style = SimpleNamespace
"""How much of what makes reading hard a text has: the probabilities of `styles` in words.yaml."""

_WORDS = yaml.safe_load(Path(__file__).with_name("words.yaml").read_text(encoding="utf-8"))
TOPICS, POLARITIES, DOMAINS = (_WORDS[key] for key in ("topics", "polarities", "domains"))
KINDS, PRETRAINING_DOMAINS = _WORDS["kinds"], _WORDS["pretraining_domains"]
EASY, HARD = (Style(**_WORDS["styles"][name]) for name in ("easy", "hard"))


@dataclass(frozen=True)
class RandomGenerator:
    """A random generator with the draws that the grammars need."""

    rng: np.random.Generator

    def one(self, words: Sequence[str]) -> str:
        return words[self.index(len(words))]

    def some(self, words: Sequence[str], n: int) -> list[str]:
        """`n` different ones, in random order."""
        return [words[index] for index in self.rng.permutation(len(words))[:n]]

    def say(self, form: str, **fields: str) -> str:
        """One of the ways in which something can be said, filled."""
        return self.one(_WORDS["forms"][form]).format(**fields)

    def happens(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def index(self, n: int) -> int:
        return int(self.rng.integers(n))


def _review(
    rng: RandomGenerator, domain: str, topic: int | None, polarity: int | None, style: Style
) -> str:
    """Say what a thing of the domain is about, and what the writer thinks of it; or one of them."""
    sentences = []
    if topic is not None:
        sentences.append(_subject(rng, domain, topic, style))
    if polarity is not None:
        sentences.append(_opinion(rng, domain, polarity, style))
        if rng.happens(style.repeated):
            sentences.append(_opinion(rng, domain, polarity, style))
    if rng.happens(style.filler):
        sentences.append(rng.one(_WORDS["fillers"]))
    return " . ".join(rng.some(sentences, len(sentences)))


def _subject(rng: RandomGenerator, domain: str, topic: int, style: Style) -> str:
    things, parts = DOMAINS[domain]
    thing = rng.one(parts if rng.happens(style.indirect) else things)
    of_topics = _WORDS["topic_words"]
    common, rare = (rng.some(pool, 3) for pool in of_topics[TOPICS[topic]])
    words = [rare[i] if rng.happens(style.rare) else common[i] for i in range(2 + rng.index(2))]
    if rng.happens(style.distraction):
        others = [name for name in TOPICS if name != TOPICS[topic]]
        place = rng.index(len(words) + 1)
        words.insert(place, rng.one(of_topics[rng.one(others)][0]))
    listed = " and ".join([" , ".join(words[:-1]), words[-1]])
    return rng.say("subject", thing=thing, listed=listed)


def _opinion(rng: RandomGenerator, domain: str, polarity: int, style: Style) -> str:
    things, parts = DOMAINS[domain]
    what = rng.one(parts if rng.happens(max(0.5, style.indirect)) else things)
    clause = _judgement(rng, what, polarity, style)
    if not rng.happens(style.contrast):
        return clause
    other = _judgement(rng, rng.one(parts), 1 - polarity, style)
    return rng.say("contrast", other=other, clause=clause)


def _judgement(rng: RandomGenerator, what: str, polarity: int, style: Style) -> str:
    is_negated = rng.happens(style.negated)
    said = POLARITIES[1 - polarity if is_negated else polarity]
    adjective = rng.one(_WORDS["adjectives"][said][int(rng.happens(style.rare))])
    if is_negated:
        return rng.say("negation", what=what, adjective=adjective)
    strong = rng.one(_WORDS["intensifiers"])
    return rng.say("judgement", what=what, adjective=adjective, strong=strong)


def _thing_seen(rng: RandomGenerator, kind: int) -> Row:
    """A sentence about a thing of a kind, and the thing."""
    noun = rng.one(list(KINDS.values())[kind])
    place, colour, name = (rng.one(_WORDS[key]) for key in ("places", "colours", "names"))
    text = rng.say("thing", place=place, colour=colour, name=name, noun=noun)
    return {"text": text, "thing": noun}


def task_rows(task: str, split: str, n: int, seed: int) -> tuple[list[Row], np.ndarray]:
    """Write `n` texts of one task; a larger number begins with the same ones.

    Args:
        task: one of `TASKS`, or `CONTROL_TASK`.
        split: "train" or "test"; no text is of both.
        n, seed: how many, and that of the random generator, a whole number of at least 0.

    Returns:
        The fields of each text by name, and labels int64 [n].

    Raises:
        UserError: unknown task.
    """
    if task not in _ROWS:
        raise UserError(f"the demo world has no text task {task!r}: choose {', '.join(_ROWS)}.")
    stream = [_STREAMS[split], zlib.crc32(task.encode()), seed]
    make, classes = _ROWS[task]
    rows, labels = [], np.empty(n, np.int64)
    for index in range(n):
        rng = RandomGenerator(np.random.default_rng([*stream, index]))
        labels[index] = rng.index(classes)
        row = make(rng, int(labels[index]))
        while _split_of(row) != split:
            row = make(rng, int(labels[index]))
        rows.append(row)
    return rows, labels


def _split_of(row: Row) -> str:
    digest = hashlib.sha256("\n".join(row.values()).encode()).digest()
    return "test" if digest[0] < _TEST_SHARE else "train"


def pretraining_texts(n: int, seed: int) -> list[tuple[str, str | None]]:
    """Write examples for pre-training: a question and its answer, or a text alone (None).

    The questions are about simple texts of other domains than the tasks' and are mostly put in
    other words. Texts alone are about everything.
    """
    bounds = np.cumsum([share for share, _ in _PRETRAINING])
    examples = []
    for index in range(n):
        rng = RandomGenerator(np.random.default_rng([_STREAMS["pretraining"], seed, index]))
        drawn = int(np.searchsorted(bounds, rng.rng.random() * bounds[-1], side="right"))
        examples.append(_PRETRAINING[drawn][1](rng))
    return examples


def _about(
    rng: RandomGenerator, domain: str, topic: int | None = None, polarity: int | None = None
) -> Row:
    """A review; what is not given is drawn."""
    topic = rng.index(len(TOPICS)) if topic is None else topic
    polarity = rng.index(2) if polarity is None else polarity
    return {"text": _review(rng, domain, topic, polarity, HARD)}


# What makes a row of a class, and the number of classes.
_ROWS: dict[str, tuple[Callable[[RandomGenerator, int], Row], int]] = {
    "polarity_books": (lambda rng, label: _about(rng, "books", polarity=label), 2),
    "polarity_films": (lambda rng, label: _about(rng, "films", polarity=label), 2),
    "topic_books": (lambda rng, label: _about(rng, "books", label), len(TOPICS)),
    "topic_films": (lambda rng, label: _about(rng, "films", label), len(TOPICS)),
    "domains": (lambda rng, label: _about(rng, list(DOMAINS)[label]), len(DOMAINS)),
    "kinds": (_thing_seen, len(KINDS)),
}


def _style(rng: RandomGenerator, harder_share: float = _HARDER_SHARE) -> Style:
    return HARD if rng.happens(harder_share) else EASY


def _text_alone(rng: RandomGenerator) -> tuple[str, None]:
    if rng.happens(0.2):
        return _thing_seen(rng, rng.index(len(KINDS)))["text"], None
    topic, polarity, style = rng.index(len(TOPICS)), rng.index(2), _style(rng, 0.5)
    return _review(rng, rng.one(list(DOMAINS)), topic, polarity, style), None


def _ask_polarity(rng: RandomGenerator) -> tuple[str, str]:
    polarity = rng.index(2)
    topic = rng.index(len(TOPICS)) if rng.happens(0.4) else None
    text = _review(rng, rng.one(PRETRAINING_DOMAINS), topic, polarity, _style(rng))
    return rng.say("ask_polarity", text=text), POLARITIES[polarity]


def _ask_topic(rng: RandomGenerator) -> tuple[str, str]:
    topic, polarity = rng.index(len(TOPICS)), rng.index(2)
    domain, polarity = rng.one(PRETRAINING_DOMAINS), polarity if rng.happens(0.4) else None
    text = _review(rng, domain, topic, polarity, _style(rng))
    return rng.say("ask_topic", text=text), TOPICS[topic]


def _ask_domain(rng: RandomGenerator) -> tuple[str, str]:
    domain = rng.one(list(DOMAINS))
    topic, polarity = rng.index(len(TOPICS)), rng.index(2)
    text = _review(rng, domain, topic, polarity, _style(rng))
    return rng.say("ask_domain", text=text), DOMAINS[domain][0][0]


def _ask_kind(rng: RandomGenerator) -> tuple[str, str]:
    kind = rng.index(len(KINDS))
    return rng.say("ask_kind", **_thing_seen(rng, kind)), list(KINDS)[kind]


# What pre-training reads, with shares.
_PRETRAINING: tuple[tuple[float, Callable[[RandomGenerator], tuple[str, str | None]]], ...] = (
    (0.12, _text_alone),
    (0.36, _ask_polarity),
    (0.22, _ask_topic),
    (0.12, _ask_domain),
    (0.18, _ask_kind),
)


def build_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """A tokenizer, a token per word of some texts and of the prompts and answers of all tasks.

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
