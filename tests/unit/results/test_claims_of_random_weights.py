"""Claims on models that start from random weights."""

import pytest
from outcome_tables import outcome, right, tables_of

from tangent.results import measure
from tangent.results.claims_table import CLAIMS, judge
from tangent.results.paper_numbers import paper_numbers

PAPER = paper_numbers()["family"]


BY_NAME = {claim.name: claim for claim in CLAIMS}


def verdict_of(name, tables):
    return judge(BY_NAME[name], "m", PAPER, tables)["verdict"]


def random_study(absolute, single):
    """Pre-trained: 8 tasks from 0.4 over 0.8 to 0.6; random: 3 of them from 0.1."""
    rows = [
        outcome(mode, "single_task", task, right(accuracy, 400))
        for mode, accuracy in (("zero_shot", 0.4), ("standard", 0.8), ("linear", 0.8))
        for task in "abcdefgh"
    ]
    rows.append(outcome("zero_shot", "single_task", "control", right(1.0, 400)))
    for mode in ("standard", "linear"):
        rows += [outcome(mode, "addition", task, right(0.6, 400)) for task in "abcdefgh"]
    for task in "abc":
        for mode, quantity, accuracy in (
            ("zero_shot", "single_task", 0.1),
            *((mode, "single_task", single) for mode in ("standard", "linear")),
            *((mode, "addition", absolute) for mode in ("standard", "linear")),
        ):
            rows.append(outcome(mode, quantity, task, right(accuracy, 400), model="m-random"))
    return tables_of(rows)


@pytest.mark.parametrize(
    ("absolute", "single", "verdicts"),
    [
        (0.2, 0.6, ("reproduced", "reproduced")),
        (0.45, 0.6, ("reproduced", "not reproduced")),
        (0.2, 0.3, ("not reproduced", "undecided")),
    ],
)
def test_random_initialisation(absolute, single, verdicts):
    tables = random_study(absolute, single)
    names = ("random_single_task", "random_gain_standard")
    rows = [judge(BY_NAME[name], "m", PAPER, tables) for name in names]
    assert rows[0]["mean"] == pytest.approx((single - 0.1) / 0.7)
    assert rows[1]["mean"] == pytest.approx(0.5 - (absolute - 0.1) / (single - 0.1))
    assert rows[1]["measured"].startswith("pre-trained (sum of 8 tasks) 0.500, random (sum of 3")
    assert tuple(row["verdict"] for row in rows) == verdicts


def test_a_share_of_no_gain_is_not_tested():
    tables = random_study(0.12, 0.1 + measure.LEARNT / 2)
    assert verdict_of("random_gain_standard", tables) == "not run"
