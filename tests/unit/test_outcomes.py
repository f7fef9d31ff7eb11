"""Outcomes survive being written, at a bit an image."""

from __future__ import annotations

import numpy as np
import pytest

from tangent.evaluation.outcomes import decode, decode_counts, encode, encode_counts
from tangent.jobs.errors import UserError


def test_outcomes_of_any_number_of_images_survive(rng: np.random.Generator) -> None:
    for n in (0, 1, 7, 8, 9, int(rng.integers(10, 5000))):
        correct = rng.random(n) < rng.random()
        assert np.array_equal(decode(encode(correct), n), correct)
        assert len(encode(correct)) <= n / 6 + 4


def test_counts_survive_in_as_few_bytes_as_the_largest_takes(rng: np.random.Generator) -> None:
    for largest, size in ((0, 1), (81, 1), (255, 1), (625, 2), (70_000, 4)):
        counts = rng.integers(0, largest + 1, int(rng.integers(1, 100)))
        text = encode_counts(counts, largest)
        assert np.array_equal(decode_counts(text, len(counts), largest), counts)
        assert len(text) == 4 * -(-size * len(counts) // 3)
        with pytest.raises(UserError, match=f"counts of {len(counts) + 1} images"):
            decode_counts(text, len(counts) + 1, largest)


@pytest.mark.parametrize("text", ["", "no base64!", encode(np.ones(90, bool)), None])
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="which of 10 images"):
        decode(text, 10)
