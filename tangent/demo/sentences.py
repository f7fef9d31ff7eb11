"""Grammars of reviews and of sentences about things, drawn from a generator of chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tangent.demo.words import (
    ADJECTIVES,
    COLOURS,
    DOMAINS,
    FILLERS,
    INTENSIFIERS,
    KINDS,
    NAMES,
    PLACES,
    POLARITIES,
    TOPIC_WORDS,
    TOPICS,
)


@dataclass(frozen=True)
class Style:
    """How much of what makes reading hard a text has; each is a probability.

    Attributes:
        repeated: there is a second opinion, of the same polarity.
        indirect: the domain is told by a part of the thing only.
        rare: a word is one that pre-training seldom asks about.
        negated: an opinion is the negation of its opposite.
        contrast: a clause of the opposite opinion comes before it.
        distraction: a word of another topic is mentioned.
        filler: a clause that says nothing is put in.
    """

    repeated: float
    indirect: float
    rare: float
    negated: float
    contrast: float
    distraction: float
    filler: float


EASY = Style(
    repeated=0.7, indirect=0.2, rare=0.15, negated=0.03, contrast=0.03, distraction=0.05, filler=0.1
)
HARD = Style(
    repeated=0.0, indirect=0.7, rare=0.6, negated=0.25, contrast=0.25, distraction=0.5, filler=0.5
)


class Chance:
    """A generator of random numbers with the draws that the grammars need."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def one(self, words: Sequence[str]) -> str:
        return words[int(self.rng.integers(len(words)))]

    def some(self, words: Sequence[str], n: int) -> list[str]:
        """`n` different ones, in random order."""
        return [words[index] for index in self.rng.permutation(len(words))[:n]]

    def happens(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def index(self, n: int) -> int:
        return int(self.rng.integers(n))


def review(
    chance: Chance, domain: str, topic: int | None, polarity: int | None, style: Style
) -> str:
    """Say what a thing of the domain is about, and what the writer thinks of it; or one of them."""
    sentences = []
    if topic is not None:
        sentences.append(_subject(chance, domain, topic, style))
    if polarity is not None:
        sentences.append(_opinion(chance, domain, polarity, style))
        if chance.happens(style.repeated):
            sentences.append(_opinion(chance, domain, polarity, style))
    if chance.happens(style.filler):
        sentences.append(chance.one(FILLERS))
    return " . ".join(chance.some(sentences, len(sentences)))


def _subject(chance: Chance, domain: str, topic: int, style: Style) -> str:
    things, parts = DOMAINS[domain]
    thing = chance.one(parts if chance.happens(style.indirect) else things)
    pools = TOPIC_WORDS[TOPICS[topic]]
    common = chance.some(pools[0], 3)
    rare = chance.some(pools[1], 3)
    words = [
        rare[i] if chance.happens(style.rare) else common[i] for i in range(2 + chance.index(2))
    ]
    if chance.happens(style.distraction):
        others = [name for name in TOPICS if name != TOPICS[topic]]
        words.insert(chance.index(len(words) + 1), chance.one(TOPIC_WORDS[chance.one(others)][0]))
    listed = " and ".join([" , ".join(words[:-1]), words[-1]])
    return chance.one(
        [
            f"this {thing} is about {listed}",
            f"a {thing} with {listed}",
            f"the {thing} tells of {listed}",
            f"{listed} in one {thing}",
        ]
    )


def _opinion(chance: Chance, domain: str, polarity: int, style: Style) -> str:
    things, parts = DOMAINS[domain]
    what = chance.one(parts if chance.happens(max(0.5, style.indirect)) else things)
    clause = _judgement(chance, what, polarity, style)
    if not chance.happens(style.contrast):
        return clause
    other = _judgement(chance, chance.one(parts), 1 - polarity, style)
    return chance.one([f"although {other} , {clause}", f"{other} but {clause}"])


def _judgement(chance: Chance, what: str, polarity: int, style: Style) -> str:
    is_negated = chance.happens(style.negated)
    said = POLARITIES[1 - polarity if is_negated else polarity]
    adjective = chance.one(ADJECTIVES[said][int(chance.happens(style.rare))])
    if is_negated:
        return f"the {what} is {chance.one(['not', 'never', 'hardly'])} {adjective}"
    strong = chance.one(INTENSIFIERS)
    return chance.one(
        [
            f"the {what} is {adjective}",
            f"the {what} is {strong} {adjective}",
            f"i found the {what} {adjective}",
            f"what a {adjective} {what}",
        ]
    )


def thing_seen(chance: Chance, kind: int) -> tuple[str, str]:
    """A sentence about a thing of a kind, and the thing."""
    noun = chance.one(list(KINDS.values())[kind])
    place, colour, name = chance.one(PLACES), chance.one(COLOURS), chance.one(NAMES)
    sentence = chance.one(
        [
            f"in the {place} there is a {colour} {noun}",
            f"{name} saw a {colour} {noun} in the {place}",
            f"{name} has a {noun} in the {place}",
            f"there was a {colour} {noun} near {name}",
        ]
    )
    return sentence, noun
