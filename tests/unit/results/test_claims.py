"""Each claim on tables where the answer is known, and on the made-up study by other code."""

from math import nan
from statistics import geometric_mean, mean, stdev

import pandas as pd
import pytest

from tangent.results import measure
from tangent.results.claims import CLAIMS, INPUTS, claims_table, judge
from tangent.results.claims_text import claims_as_table
from tangent.results.columns import TABLES
from tangent.results.paper_numbers import paper_family
from tangent.results.render import to_markdown

PAPER = paper_family()
BY_NAME = {claim.name: claim for claim in CLAIMS}


def table(name, rows):
    return pd.DataFrame.from_records(rows, columns=list(TABLES[name]))


def empty():
    return {name: table(name, []) for name in INPUTS}


def addition(values):
    """`values`: mode -> one (absolute, normalized) per seed."""
    rows = [
        {"model": "m", "mode": mode, "seed": seed, "absolute": a, "normalized": n, "alpha": 0.3}
        for mode, pairs in values.items()
        for seed, (a, n) in enumerate(pairs)
    ]
    return empty() | {"addition": table("addition", rows)}


@pytest.mark.parametrize(
    ("linear", "verdict", "met"),
    [
        ([0.6, 0.7], "reproduced", 2),
        ([0.4, 0.4], "not reproduced", 0),
        ([0.6, 0.4], "mixed", 1),
        ([0.5, 0.5], "not reproduced", 0),
    ],
)
def test_all_seeds_must_agree(linear, verdict, met):
    tables = addition(
        {"standard": [(0.5, 0.6)] * 2, "linear": [(a, 0.0) for a in linear], "posthoc": []}
    )
    row = judge(BY_NAME["linear_addition_absolute"], "m", PAPER, tables)
    assert row["verdict"] == verdict
    assert (row["seeds"], row["seeds_met"]) == (2, met)
    assert row["mean"] == pytest.approx(mean(linear) - 0.5)
    assert row["spread"] == pytest.approx(stdev(linear))
    assert (row["minimum"], row["maximum"]) == pytest.approx((min(linear) - 0.5, max(linear) - 0.5))
    assert row["measured"] == f"linear {100 * mean(linear):.1f} %, standard 50.0 %"
    assert "ViT-B-32 +5.1" in row["paper"] and "recalled" in row["paper"]


def test_one_seed_has_no_spread():
    tables = addition({"standard": [(0.5, 0.6)], "linear": [(0.6, 0.6)], "posthoc": [(0.4, 0.7)]})
    row = judge(BY_NAME["posthoc_addition_normalized"], "m", PAPER, tables)
    assert (row["verdict"], row["seeds"], row["spread"]) == (
        "reproduced",
        1,
        pytest.approx(nan, nan_ok=True),
    )


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_nothing_measured_is_not_run(claim):
    row = judge(claim, "m", PAPER, empty())
    assert (row["verdict"], row["seeds"], row["seeds_met"]) == ("not run", 0, 0)
    assert row["measured"] == ""


@pytest.mark.parametrize(
    ("target", "control", "verdict"),
    [
        (0.10, 0.80, "reproduced"),
        (0.10, 0.7901, "reproduced"),
        (0.10, 0.78, "not reproduced"),
        (0.30, 0.80, "not reproduced"),
    ],
)
def test_negation_needs_the_same_control(target, control, verdict):
    rows = [
        {"model": "m", "mode": mode, "task": task, "seed": 0, "target": t, "control": c}
        for task in ("a", "b")
        for mode, t, c in (("standard", 0.2, 0.8), ("posthoc", 0, 0), ("linear", target, control))
    ]
    tables = empty() | {"negation": table("negation", rows)}
    assert judge(BY_NAME["linear_negation"], "m", PAPER, tables)["verdict"] == verdict


def test_the_search_box_includes_its_border_and_nothing_else():
    grid = [-3.0, -1.0000000000000002, 0.0, 1.0, 1.5]
    rows = [
        {"model": "m", "mode": mode, "task_1": "a", "task_2": "b", "seed": 0, "alpha_1": x,
         "alpha_2": y, "error": error if max(abs(x), abs(y)) < 1.2 else 2 - error}
        for mode, error in (("standard", 0.5), ("linear", 0.3), ("posthoc", 0.6))
        for x in grid for y in grid
    ]  # fmt: skip
    tables = empty() | {"disentanglement": table("disentanglement", rows)}
    verdicts = {
        name: judge(BY_NAME[name], "m", PAPER, tables)["verdict"]
        for name in BY_NAME
        if "disentanglement" in name
    }
    assert verdicts == {
        "posthoc_disentanglement_search_box": "not reproduced",
        "linear_disentanglement_search_box": "reproduced",
        "posthoc_disentanglement_whole_grid": "reproduced",
        "linear_disentanglement_whole_grid": "not reproduced",
    }
    row = judge(BY_NAME["linear_disentanglement_search_box"], "m", PAPER, tables)
    assert row["mean"] == pytest.approx(0.2)


def energies(model, ratios):
    """Kernels of tasks a and b: energy `ratio` on the task, 1 elsewhere, not on the sample."""
    return [
        {"model": model, "task": task, "dataset": dataset, "split": split, "seed": 0,
         "logit": logit, "image": image, "energy": (ratio if dataset == task else 1.0) * scale}
        for task, ratio in ratios.items()
        for dataset in ("a", "b", "c")
        for split, scale in (("test", 1.0), ("sample", 100.0 if dataset == task else 0.0))
        for logit in (0, 1) for image in (0, 1)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [((2.1, 2.2), "reproduced"), ((8, 0.6), "reproduced"), ((8, 0.4), "not reproduced")],
)
def test_localization_is_a_geometric_mean_over_kernels(ratios, verdict):
    rows = energies("m", dict(zip("ab", ratios, strict=True)))
    tables = empty() | {"eigenfunctions": table("eigenfunctions", rows)}
    row = judge(BY_NAME["eigenfunctions_localized"], "m", PAPER, tables)
    assert row["mean"] == pytest.approx(geometric_mean(ratios))
    assert row["verdict"] == verdict


@pytest.mark.parametrize(
    ("random", "verdict"), [(1.0, "reproduced"), (1.9, "reproduced"), (2.5, "not reproduced")]
)
def test_random_localization_uses_the_common_kernels(random, verdict):
    rows = energies("m", {"a": 4.0, "b": 1000.0}) + energies("m-random", {"a": random})
    tables = empty() | {"eigenfunctions": table("eigenfunctions", rows)}
    row = judge(BY_NAME["random_eigenfunctions"], "m", PAPER, tables)
    assert row["mean"] == pytest.approx(4.0 / random)
    assert row["verdict"] == verdict


def random_study(normalized, absolute, single):
    """Pre-trained: 8 tasks from 0.4 over 0.8 to 0.6 (normalised 0.7); random: from 0.1."""
    rows = [
        {"model": "m", "mode": mode, "task": task, "split": "test", "seed": 0, "accuracy": accuracy}
        for mode, accuracy in (("zero_shot", 0.4), ("standard", 0.8), ("linear", 0.8))
        for task in "abcdefgh"
    ]
    rows.append(rows[0] | {"task": "control", "accuracy": 1.0})
    base = {"seed": 0, "tasks": 3}
    random = base | {
        "model": "m-random", "initialization": "random", "zero_shot": 0.1, "single_task": single,
        "tasks_added": 3, "absolute": absolute, "normalized": normalized,
    }  # fmt: skip
    pretrained = base | {
        "model": "m",
        "initialization": "pretrained",
        "zero_shot": 0.4,
        "single_task": 0.9,
    }
    both = [row | {"mode": mode} for mode in ("standard", "linear") for row in (random, pretrained)]
    return addition({"standard": [(0.6, 0.7)], "linear": [(0.6, 0.7)], "posthoc": []}) | {
        "single_task": table("single_task", rows),
        "random_init": table("random_init", both),
    }


@pytest.mark.parametrize(
    ("normalized", "absolute", "single", "verdicts"),
    [
        (0.3, 0.2, 0.6, ("reproduced", "reproduced")),
        (0.65, 0.45, 0.6, ("reproduced", "not reproduced")),
        (0.3, 0.2, 0.4, ("not reproduced", "reproduced")),
    ],
)
def test_random_initialisation(normalized, absolute, single, verdicts):
    tables = random_study(normalized, absolute, single)
    names = ("random_single_task", "random_gain_standard")
    rows = [judge(BY_NAME[name], "m", PAPER, tables) for name in names]
    assert tuple(row["verdict"] for row in rows) == verdicts
    assert rows[0]["mean"] == pytest.approx((single - 0.1) / 0.8)
    assert rows[1]["mean"] == pytest.approx(0.5 - (absolute - 0.1) / (single - 0.1))
    assert rows[1]["measured"].startswith("pre-trained (sum of 8 tasks) 0.500, random (sum of 3")


def test_a_share_of_no_gain_is_not_tested():
    tables = random_study(0.3, 0.2, 0.1 + measure.LEARNT / 2)
    assert judge(BY_NAME["random_gain_standard"], "m", PAPER, tables)["verdict"] == "not run"


def test_a_block_of_rows_per_family(tables):
    """Families in the order of their first model, each in one piece, the models in their order."""
    for name in INPUTS:
        third = tables[name][tables[name].model == "other_vit"].assign(model="third")
        tables = tables | {name: pd.concat([tables[name], third])}
    families = {"demo-vit": "A, b", "other_vit": PAPER, "third": "A, b"}
    claims = claims_table(tables, families)
    blocks = list(dict.fromkeys(zip(claims.family, claims.model, strict=True)))
    assert blocks == [("A, b", "demo-vit"), ("A, b", "third"), (PAPER, "other_vit")]
    for _, rows in claims.groupby("model"):
        assert list(rows.claim) == [claim.name for claim in CLAIMS]
    # The paper's numbers are of its own family alone.
    assert set(claims[claims.family != PAPER].paper) == {""}
    assert list(claims[claims.family == PAPER].paper) == [claim.paper for claim in CLAIMS]
    rows = claims_as_table(claims).rows
    headings = [number for number, (_, cells) in enumerate(rows) if not cells]
    assert headings == [0, 1 + 2 * len(CLAIMS)] and len(rows) == 2 + 3 * len(CLAIMS)
    assert [rows[number][0] for number in headings] == ["A, b", PAPER]
    assert f"\n| {PAPER} |  |" in to_markdown(claims_as_table(claims))


def test_claims_table_of_the_study(tables):
    claims = claims_table(tables, {"demo-vit": PAPER, "other_vit": "another"})
    assert tuple(claims.columns) == TABLES["claims"]
    assert len(claims) == 2 * len(CLAIMS)
    assert set(claims.verdict) <= {"reproduced", "not reproduced", "mixed", "not run"}
    # Only the first model of the made-up study has a random twin.
    other = claims[claims.model == "other_vit"].set_index("claim")
    assert other.verdict["random_gain_standard"] == "not run"
    row = claims[claims.model == "demo-vit"].set_index("claim").loc["posthoc_single_task"]
    single = tables["single_task"].to_dict("records")
    differences = []
    for seed in (0, 1, 2):
        standard, posthoc = (
            mean(
                r["accuracy"]
                for r in single
                if (r["model"], r["mode"], r["split"]) == ("demo-vit", mode, "test")
                and r["seed"] == seed
            )
            for mode in ("standard", "posthoc")
        )
        differences.append(standard - posthoc)
    assert row["mean"] == pytest.approx(mean(differences))
    assert row["spread"] == pytest.approx(stdev(differences))
    assert row["seeds"] == 3


def test_criteria_state_their_thresverdict():
    assert f"at least {measure.LOCALIZED:g}" in BY_NAME["eigenfunctions_localized"].criterion
    assert "at most 1 percentage point" in BY_NAME["linear_negation"].criterion
