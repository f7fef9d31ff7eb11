"""The disentanglement error ξ of the script against a direct count."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from tangent.evaluation.outcomes import decode_counts

ALPHAS = (-2.0, 0.0, 2.0)
TASKS = ("red", "blue")
PRODUCT = tuple(itertools.product(ALPHAS, repeat=2))


def run(study, mode: str, output: Path, images: int) -> tuple[dict, list[dict[str, str]]]:
    study.evaluate(
        *("disentanglement", mode, "--task-1", "red", "--task-2", "blue", "--minimum", -2),
        *("--maximum", 2, "--points", 3, "--images", images, "--output-dir", output),
        vectors=("red", "blue"),
    )
    return study.json(str(output / "error.json")), study.csv(str(output / "error.csv"))


@pytest.mark.parametrize("mode", ["standard", "linear"])
def test_errors_equal_a_direct_count(study, mode, tmp_path):
    result, table = run(study, mode, tmp_path, images=64)  # more than there are: all are used
    assert (result["images"], result["n"]) == (64, {"red": 50, "blue": 50})
    assert [(float(r["alpha_1"]), float(r["alpha_2"])) for r in table] == [
        (a, b) for a in ALPHAS for b in ALPHAS
    ]

    def predict(task: str, edit: dict[str, float]) -> np.ndarray:
        return study.predict(study.oracle(mode, edit, task, "test"), task)

    for row in table:
        joint = {"red": float(row["alpha_1"]), "blue": float(row["alpha_2"])}
        rates = [
            sum(predict(task, {task: joint[task]}) != predict(task, joint)) / 50
            for task in ("red", "blue")
        ]
        assert float(row["error_1"]) == pytest.approx(rates[0])
        assert float(row["error_2"]) == pytest.approx(rates[1])
        assert float(row["error"]) == pytest.approx(sum(rates))
    assert max(float(row["error"]) for row in table) > 0.2  # the comparison says something
    drawn = np.random.RandomState(0).permutation(50)
    for region, points in (("search_box", [(0.0, 0.0)]), ("whole_grid", [*PRODUCT])):
        found = result["disagreements"][region]
        assert found["points"] == len(points)
        for task, index in (("red", 0), ("blue", 1)):
            counts = sum(
                (
                    predict(task, {task: pair[index]})
                    != predict(task, dict(zip(TASKS, pair, strict=True)))
                ).astype(int)
                for pair in points
            )
            text = found["counts"][task]
            assert decode_counts(text, 50, found["points"]).tolist() == counts[drawn].tolist()


def test_the_sample_is_the_same_in_every_mode_and_smaller_than_the_split(study, tmp_path):
    """The linearized model's error on a sample is the count on exactly those images."""
    rows = np.random.RandomState(0).permutation(50)[:20]
    for mode in ("standard", "linear"):
        _, table = run(study, mode, tmp_path / mode, images=20)
        row = table[-1]
        for task, column in (("red", "error_1"), ("blue", "error_2")):
            single, joint = (
                study.predict(study.oracle(mode, edit, task, "test"), task)[rows]
                for edit in ({task: 2.0}, {"red": 2.0, "blue": 2.0})
            )
            assert float(row[column]) == pytest.approx(np.mean(single != joint))
