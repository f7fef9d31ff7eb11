"""Outcomes survive being written, at a bit an image."""

from __future__ import annotations

import numpy as np
import pytest

from tangent.errors import UserError
from tangent.outcomes import decode, encode


def test_outcomes_of_any_number_of_images_survive(rng: np.random.Generator) -> None:
    for n in (0, 1, 7, 8, 9, int(rng.integers(10, 5000))):
        correct = rng.random(n) < rng.random()
        assert np.array_equal(decode(encode(correct), n), correct)
        assert len(encode(correct)) <= n / 6 + 4


@pytest.mark.parametrize("text", ["", "no base64!", encode(np.ones(90, bool)), None])
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="which of 10 images"):
        decode(text, 10)
