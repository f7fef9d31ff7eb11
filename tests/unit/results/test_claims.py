"""Each claim on tables where the answer is known, and on the made-up study by other code."""

from statistics import geometric_mean, mean, stdev

import numpy as np
import pandas as pd
import pytest
from outcome_tables import counted, empty, outcome, right, table, tables_of
from scipy import stats

from tangent.results import measure
from tangent.results.claims_table import CLAIMS, judge
from tangent.results.claims_text import claims_as_table, claims_as_text, readable_claims
from tangent.results.columns import TABLES
from tangent.results.paper_numbers import paper_numbers
from tangent.results.read_tables import derived_table
from tangent.results.render import to_markdown

PAPER = paper_numbers()["family"]
FAMILIES = {"demo-vit": PAPER, "other_vit": "another"}
BY_NAME = {claim.name: claim for claim in CLAIMS}


def verdict_of(name, tables):
    return judge(BY_NAME[name], "m", PAPER, tables)["verdict"]


def addition(values, n=1000):
    """`values`: mode -> accuracies after addition per seed, the same on tasks a and b."""
    return tables_of(
        outcome(mode, "addition", task, right(accuracy, n), seed)
        for mode, accuracies in values.items()
        for seed, accuracy in enumerate(accuracies)
        for task in "ab"
    )


@pytest.mark.parametrize(
    ("linear", "verdict", "met"),
    [
        ([0.6, 0.61], "reproduced", 2),
        ([0.4, 0.41], "not reproduced", 0),
        ([0.6, 0.45], "undecided", 1),
        ([0.6, 0.8], "undecided", 2),
        ([0.5, 0.5], "undecided", 0),
    ],
)
def test_the_interval_gives_the_verdict(linear, verdict, met):
    tables = addition({"standard": [0.5, 0.5], "linear": linear})
    row = judge(BY_NAME["linear_addition_absolute"], "m", PAPER, tables)
    assert row["verdict"] == verdict
    assert (row["units"], row["unit_name"], row["seeds"], row["seeds_met"]) == (2, "task", 2, met)
    assert row["covers"] == "seeds and images"
    assert row["mean"] == pytest.approx(mean(linear) - 0.5)
    assert row["spread"] == pytest.approx(stdev(linear))
    assert (row["minimum"], row["maximum"]) == pytest.approx((min(linear) - 0.5, max(linear) - 0.5))
    assert row["low"] <= row["mean"] <= row["high"]
    # Two tasks say nothing of others.
    assert np.isnan([row["low_other"], row["high_other"]]).all()
    assert row["measured"] == f"linear {100 * mean(linear):.1f} %, standard 50.0 %"
    assert "ViT-B-32 +5.1" in row["paper"] and "recalled" in row["paper"]


def test_one_seed_is_an_interval_over_paired_images():
    """The textbook's interval for the mean of paired differences, on one task's images."""
    rng = np.random.default_rng()
    standard, linear = rng.random((2, 80)) < [[0.5], [0.6]]
    rows = [
        outcome(mode, "addition", "a", correct)
        for mode, correct in (("standard", standard), ("linear", linear))
    ]
    row = judge(BY_NAME["linear_addition_absolute"], "m", PAPER, tables_of(rows))
    assert (row["seeds"], row["covers"]) == (1, "images alone: one seed")
    assert np.isnan(row["spread"])
    differences = linear.astype(float) - standard
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))


def test_normalised_accuracy_counts_the_images_of_its_denominator():
    """A ratio of two accuracies on the same images: by the delta method, written out."""
    rng = np.random.default_rng()
    added, single, other = rng.random((3, 300)) < [[0.5], [0.8], [0.9]]
    always = np.ones(300, bool)
    rows = [
        outcome("posthoc", "addition", "a", added),
        outcome("posthoc", "single_task", "a", single),
        outcome("standard", "addition", "a", other),
        outcome("standard", "single_task", "a", always),
    ]
    row = judge(BY_NAME["posthoc_addition_normalized"], "m", PAPER, tables_of(rows))
    ratio = added.mean() / single.mean()
    assert row["mean"] == pytest.approx(ratio - other.mean())
    influence = (added - ratio * single) / single.mean() - other
    half = stats.t.ppf(0.975, 299) * influence.std(ddof=1) / 300**0.5
    assert (row["low"], row["high"]) == pytest.approx((row["mean"] - half, row["mean"] + half))


def test_other_tasks_are_judged_by_the_tasks_values():
    accuracies = [0.5, 0.55, 0.7, 0.58, 0.61, 0.66]
    rows = [
        outcome(mode, "addition", task, right(accuracy))
        for task, accuracy in zip("abcdef", accuracies, strict=True)
        for mode, accuracy in (("standard", 0.5), ("linear", accuracy))
    ]
    row = judge(BY_NAME["linear_addition_absolute"], "m", PAPER, tables_of(rows))
    expected = stats.ttest_1samp(np.array(accuracies) - 0.5, 0).confidence_interval(0.95)
    assert (row["low_other"], row["high_other"]) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_nothing_measured_is_not_run(claim):
    row = judge(claim, "m", PAPER, empty())
    assert (row["verdict"], row["seeds"], row["seeds_met"]) == ("not run", 0, 0)
    assert row["measured"] == ""


@pytest.mark.parametrize(
    ("target", "control", "verdict"),
    [
        (0.10, 0.90, "reproduced"),
        (0.10, 0.80, "undecided"),
        (0.10, 0.795, "undecided"),
        (0.10, 0.75, "not reproduced"),
        (0.30, 0.80, "not reproduced"),
        (0.20, 0.80, "undecided"),
        (0.20, 0.75, "not reproduced"),
    ],
)
def test_negation_needs_the_same_control(target, control, verdict):
    """Both parts must be reproduced; one that is refuted is enough to refute."""
    rng = np.random.default_rng()
    others = {"standard": (0.2, 0.8), "posthoc": (0.0, 0.0), "linear": (target, control)}
    rows = [
        outcome(mode, quantity, task, rng.permutation(right(accuracy)), dataset=dataset)
        for task in "ab"
        for mode, both in others.items()
        for quantity, accuracy, dataset in zip(
            ("target", "control"), both, (task, "c"), strict=True
        )
    ]
    row = judge(BY_NAME["linear_negation"], "m", PAPER, tables_of(rows))
    assert row["verdict"] == verdict
    assert row["mean"] == pytest.approx(0.2 - target)
    numbers, _, interval = row["measured"].rpartition(", control linear − standard ")
    assert numbers.endswith(f"control standard 80.0 %, control linear {100 * control:.1f} %")
    low, high = (float(end.replace("−", "-")) for end in interval.removesuffix(" %").split(" to "))
    assert (low > -1) == (control == 0.9) and (high < -1) == (control == 0.75)


def heat_maps(pairs, errors):
    """`errors`: mode -> region -> share of the points at which the images of a pair differ."""
    return tables_of(
        counted(mode, region, pair, task, np.array([8, 12]) * share, 20)
        for mode, regions in errors.items()
        for region, share in regions.items()
        for pair in pairs
        for task in pair.split("+")
    )


def test_heat_maps_are_judged_region_by_region():
    tables = heat_maps(
        ["a+b"],
        {
            "standard": {"search_box": 1, "whole_grid": 1},
            "linear": {"search_box": 0, "whole_grid": 0},
            "posthoc": {"search_box": 1, "whole_grid": 0},
        },
    )
    rows = {
        name: judge(BY_NAME[name], "m", PAPER, tables) for name in BY_NAME if "disentang" in name
    }
    # ξ sums over the two data sets: 10 of 20 points on each.
    assert {name: row["mean"] for name, row in rows.items()} == pytest.approx(
        {
            "posthoc_disentanglement_search_box": 0.0,
            "linear_disentanglement_search_box": 1.0,
            "posthoc_disentanglement_whole_grid": 1.0,
            "linear_disentanglement_whole_grid": 1.0,
        }
    )
    row = rows["linear_disentanglement_search_box"]
    assert (row["units"], row["unit_name"]) == (1, "pair")
    # Each data set's two images are 0.4 and 0.6 of the points: variance of the mean 0.02 / 2.
    half = stats.t.ppf(0.975, 2) * (2 * 0.01) ** 0.5
    assert (row["low"], row["high"]) == pytest.approx((1 - half, 1 + half))


def test_a_region_of_one_point_is_counted_like_others():
    rows = [
        counted(mode, "search_box", "a+b", task, np.array([share, 0] * 8), 1)
        for mode, share in (("standard", 1), ("linear", 0))
        for task in "ab"
    ]
    row = judge(BY_NAME["linear_disentanglement_search_box"], "m", PAPER, tables_of(rows))
    assert row["mean"] == pytest.approx(1.0)


def test_pairs_that_share_a_task_say_nothing_of_other_pairs():
    errors = {"standard": {"search_box": 1}, "linear": {"search_box": 0}}
    apart = heat_maps(["a+b", "c+d", "e+f", "g+h", "i+j"], errors)
    chain = heat_maps(["a+b", "b+c", "c+d", "d+e", "e+f"], errors)
    name = "linear_disentanglement_search_box"
    for tables, known in ((apart, True), (chain, False)):
        row = judge(BY_NAME[name], "m", PAPER, tables)
        assert row["units"] == 5 and np.isfinite(row["low_other"]) == known


def energies(model, ratios):
    """Kernels of tasks a and b: energy `ratio` on the task, 1 elsewhere, not on the sample."""
    return [
        {"model": model, "task": task, "dataset": dataset, "split": split, "seed": 0,
         "logit": logit, "image": image,
         "energy": (ratio if dataset == task else 1.0) * scale * (0.99 + 0.02 * image)}
        for task, ratio in ratios.items()
        for dataset in ("a", "b", "c")
        for split, scale in (("test", 1.0), ("sample", 100.0 if dataset == task else 0.0))
        for logit in (0, 1) for image in (0, 1)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [((2.2, 2.3), "reproduced"), ((8, 0.6), "reproduced"), ((8, 0.4), "not reproduced"),
     ((2.0, 2.02), "undecided")],
)  # fmt: skip
def test_localization_is_a_geometric_mean_over_kernels(ratios, verdict):
    rows = energies("m", dict(zip("ab", ratios, strict=True)))
    tables = empty() | {"eigenfunctions": table("eigenfunctions", rows)}
    row = judge(BY_NAME["eigenfunctions_localized"], "m", PAPER, tables)
    assert row["mean"] == pytest.approx(geometric_mean(ratios))
    assert row["verdict"] == verdict
    assert row["low"] * row["high"] == pytest.approx(row["mean"] ** 2)
    assert (row["units"], row["unit_name"]) == (2, "kernel")


@pytest.mark.parametrize(
    ("random", "verdict"),
    [(1.0, "reproduced"), (1.8, "reproduced"), (2.5, "not reproduced"), (2.0, "undecided")],
)
def test_random_localization_uses_the_common_kernels(random, verdict):
    rows = energies("m", {"a": 4.0, "b": 1000.0}) + energies("m-random", {"a": random})
    tables = empty() | {"eigenfunctions": table("eigenfunctions", rows)}
    row = judge(BY_NAME["random_eigenfunctions"], "m", PAPER, tables)
    assert row["mean"] == pytest.approx(4.0 / random)
    assert row["verdict"] == verdict


@pytest.mark.parametrize(("others", "verdict"), [(0.5, "reproduced"), (2.0, "not reproduced")])
def test_proposition1_compares_the_others_with_the_tasks_own_function(others, verdict):
    rng = np.random.default_rng()
    rows = [
        {"model": "m", "seed": seed, "task": task, "image": int(image), "own": own, "others": other}
        for seed in (0, 1)
        for task in "ab"
        for image in rng.permutation(500)[:200]
        for own, other in [(rng.choice([-1, 1]), others * rng.choice([-1, 1]) * (1 + seed / 10))]
    ]
    tables = empty() | {"proposition1_functions": table("proposition1_functions", rows)}
    row = judge(BY_NAME["proposition1"], "m", PAPER, tables)
    assert row["verdict"] == verdict
    assert row["mean"] == pytest.approx(1.1 * others**2)


@pytest.mark.parametrize(
    ("linear", "close"), [(0.88, "reproduced"), (0.8, "not reproduced"), (0.85, "undecided")]
)
def test_single_tasks_of_linear_are_close_by_a_margin(linear, close):
    accuracies = {"standard": 0.9, "linear": linear, "posthoc": 0.7}
    rows = [
        outcome(mode, "single_task", task, right(accuracy))
        for mode, accuracy in accuracies.items()
        for task in "ab"
    ]
    classes = [{"model": "m", "task": task, "classes": n} for task, n in (("a", 2), ("b", 4))]
    tables = tables_of(rows) | {"single_task": table("single_task", classes)}
    assert verdict_of("linear_single_task", tables) == close
    row = judge(BY_NAME["nonlinear_advantage"], "m", PAPER, tables)
    assert row["mean"] == pytest.approx((0.2 / 0.5 + 0.2 / 0.75) / 2)
    assert row["verdict"] == "reproduced"


def test_seeds_that_lack_a_number_are_left_out():
    tables = addition({"standard": [0.5, 0.5, 0.5], "linear": [0.6, 0.6]})
    assert judge(BY_NAME["linear_addition_absolute"], "m", PAPER, tables)["seeds"] == 2


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("posthoc_addition_absolute", "standard", "posthoc"),
        ("linear_posthoc_addition", "linear", "posthoc"),
    ],
)
def test_claims_on_absolute_addition(name, first, second):
    better, worse = [0.7, 0.71], [0.5, 0.5]
    assert verdict_of(name, addition({first: better, second: worse})) == "reproduced"
    assert verdict_of(name, addition({first: worse, second: better})) == "not reproduced"


def test_a_block_of_rows_per_family(tables):
    """Families in the order of their first model, each in one piece, the models in their order."""
    for name in TABLES["claims"].tables:
        third = tables[name][tables[name].model == "other_vit"].assign(model="third")
        tables = tables | {name: pd.concat([tables[name], third])}
    families = {"demo-vit": "A, b", "other_vit": PAPER, "third": "A, b"}
    claims = derived_table("claims", tables, families=families)
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
    claims = derived_table("claims", tables, families=FAMILIES)
    assert list(claims.columns) == list(TABLES["claims"].columns)
    assert len(claims) == 2 * len(CLAIMS)
    assert set(claims.verdict) <= {"reproduced", "not reproduced", "undecided", "not run"}
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


def test_accuracies_of_images_are_those_of_the_tables(tables):
    """What claims make from single images is what the tables of the paper say."""
    claims = derived_table("claims", tables, families=FAMILIES)
    of_model = claims[claims.model == "demo-vit"].set_index("claim")
    added = tables["addition"]
    added = added[added.model == "demo-vit"].pivot(index="seed", columns="mode")
    for name, column, first, second in (
        ("linear_addition_absolute", "absolute", "linear", "standard"),
        ("linear_addition_normalized", "normalized", "linear", "standard"),
        ("posthoc_addition_normalized", "normalized", "posthoc", "standard"),
    ):
        differences = added[column][first] - added[column][second]
        assert of_model["mean"][name] == pytest.approx(differences.mean())
        assert of_model.spread[name] == pytest.approx(differences.std(ddof=1))
    negated = tables["negation"]
    negated = negated[negated.model == "demo-vit"].groupby("mode").target.mean()
    expected = negated.standard - negated.linear
    assert of_model["mean"]["linear_negation"] == pytest.approx(expected)
    advantage = tables["single_task"].query("model == 'demo-vit' and split == 'test'")
    expected = advantage.nonlinear_advantage.mean()
    assert of_model["mean"]["nonlinear_advantage"] == pytest.approx(expected)
    assert set(of_model.covers) == {"seeds and images"}


def test_the_first_screen_shows_every_claim_in_a_hundred_columns(tables):
    claims = derived_table("claims", tables, families=FAMILIES)
    lines = claims_as_text(claims).splitlines()
    assert max(map(len, lines)) <= 100
    assert sum(
        line.startswith(("reproduced", "not re", "undecided", "not run")) for line in lines
    ) == 2 * len(CLAIMS)
    column = lines[0].index("claim")
    said = " ".join(line[column:].strip() for line in lines)
    for row in readable_claims(claims):
        assert row["statement"] in said
        assert any(row["interval"] in line and row["value"] in line for line in lines)
    assert [line for line in lines if " " not in line] == ["demo-vit", "other_vit"]


def test_criteria_state_their_thresholds():
    assert f"above {measure.LOCALIZED:g}" in BY_NAME["eigenfunctions_localized"].criterion
    assert "less than 1 percentage point" in BY_NAME["linear_negation"].criterion
    assert "< 5 percentage points" in BY_NAME["linear_single_task"].criterion
