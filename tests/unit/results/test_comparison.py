"""comparison.csv and the report's tables from it, against plain loops over random tables."""

import json
import math
from statistics import mean, stdev

import pandas as pd
import paper_study
import pytest
from paper_study import CONTROL, MODELS, MODES, TASKS, without

from scripts import cli, derive_table
from tangent.report import comparison_tables, report_tables
from tangent.report.comparison_tables import ADDITION, NEGATION, SINGLE_TASK
from tangent.results.columns import TABLES
from tangent.results.paper_numbers import rerun_accuracies
from tangent.results.paper_tables import PAPER_TABLES, paper_table
from tangent.results.read_tables import derived_table, load_tables
from tangent.results.render import to_latex, to_markdown

FAMILIES = dict.fromkeys(MODELS, "CLIP, ViT")
PER_MODEL = 7 + 8 + (1 + 8 + 1) + 3 * (1 + 8)


def one(comparison, **wanted):
    rows = [
        row
        for row in comparison.to_dict("records")
        if all(row[name] == value for name, value in wanted.items())
    ]
    assert len(rows) == 1, (wanted, len(rows))
    return rows[0]


def per_seed(tables, name, column, **wanted):
    """Mean over the rows, seed by seed."""
    values = {}
    for row in tables[name].to_dict("records"):
        if all(row[key] in value for key, value in wanted.items()):
            values.setdefault(row["seed"], []).append(row[column])
    return [mean(of_seed) for of_seed in values.values()]


@pytest.fixture(scope="module")
def tables():
    """Not to be changed."""
    return paper_study.tables()


@pytest.fixture(scope="module")
def comparison(tables):
    return derived_table("comparison", tables, modes=MODES)


@pytest.fixture
def changeable():
    return paper_study.tables(models=("ViT-B-32", "ViT-L-14"), seeds=(0, 1))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("mode", MODES)
def test_ours_is_the_mean_over_seeds(tables, comparison, model, mode):
    same = {"model": [model], "mode": [mode]}
    test = same | {"split": ["test"]}
    expected = {
        ("addition", "all", "absolute"): per_seed(tables, "addition", "absolute", **same),
        ("addition", "all", "normalized"): per_seed(tables, "addition", "normalized", **same),
        ("negation", "all", "target"): per_seed(tables, "negation", "target", **same),
        ("negation", "all", "control"): per_seed(tables, "negation", "control", **same),
        ("single_task", "all", "accuracy"): per_seed(tables, "single_task", "accuracy", **test),
    } | {
        ("single_task", task, "accuracy"): per_seed(
            tables, "single_task", "accuracy", **test, task=[task]
        )
        for task in TASKS
    }
    for (table, task, quantity), values in expected.items():
        row = one(comparison, table=table, model=model, mode=mode, task=task, quantity=quantity)
        assert row["ours"] == pytest.approx(mean(values))
        assert row["spread"] == pytest.approx(stdev(values))
        assert row["seeds"] == len(values) == 3


@pytest.mark.parametrize("model", MODELS)
def test_the_pretrained_model_has_no_spread(tables, comparison, model):
    zero_shot = {"model": [model], "mode": ["zero_shot"], "split": ["test"], "seed": [0]}
    (over_tasks,) = per_seed(tables, "single_task", "accuracy", **zero_shot, task=TASKS)
    (control,) = per_seed(tables, "single_task", "accuracy", **zero_shot, task=[CONTROL])
    for table, task, quantity, expected in (
        ("addition", "all", "absolute", over_tasks),
        ("negation", "all", "target", over_tasks),
        ("negation", "all", "control", control),
        ("single_task", "all", "accuracy", over_tasks),
        ("single_task", CONTROL, "accuracy", control),
    ):
        row = one(
            comparison, table=table, model=model, mode="zero_shot", task=task, quantity=quantity
        )
        assert row["ours"] == pytest.approx(expected)
        assert math.isnan(row["spread"]) and row["seeds"] == 3


def test_differences_are_to_the_paper_or_to_the_one_rerun(comparison):
    assert len(comparison) == 3 * PER_MODEL
    where = {"model": "ViT-B-16", "mode": "linear"}
    row = one(comparison, table="addition", quantity="normalized", **where)
    assert (row["paper"], row["rerun_low"], row["rerun_high"]) == (0.86, 0.862, 0.909)
    assert row["difference"] == pytest.approx(row["ours"] - 0.86)
    row = one(comparison, table="negation", quantity="target", **where)
    assert row["difference"] == pytest.approx(row["ours"] - 0.113)
    assert math.isnan(row["rerun_low"]) and row["within"] == ""
    for task in TASKS:
        row = one(comparison, table="single_task", task=task, **where)
        rerun = rerun_accuracies()["ViT-B-16"]["linear"]["test"][task]
        assert math.isnan(row["paper"]) and row["rerun_low"] == row["rerun_high"] == rerun
        assert row["difference"] == pytest.approx(row["ours"] - rerun)
        assert row["within"] == ("yes" if abs(row["difference"]) <= 0.01 else "no")
    row = one(comparison, table="single_task", task="svhn", model="ViT-B-16", mode="posthoc")
    assert math.isnan(row["difference"]) and row["within"] == ""


@pytest.mark.parametrize(
    ("ours", "within"),
    [
        (0.701, "yes"), (0.735, "yes"), (0.72, "yes"),
        (0.7005, "yes"), (0.7355, "yes"),  # printed as 70.1 and 73.5
        (0.7004, "no"), (0.7356, "no"), (0.1, "no"), (0.9, "no"),
    ],
)  # fmt: skip
def test_the_range_of_reruns_has_a_margin_for_rounding(changeable, ours, within):
    addition = changeable["addition"]
    addition.loc[(addition.model == "ViT-B-32") & (addition["mode"] == "standard"), "absolute"] = (
        ours
    )
    where = {"table": "addition", "model": "ViT-B-32", "mode": "standard", "quantity": "absolute"}
    row = one(derived_table("comparison", changeable, modes=MODES), **where)
    assert row["ours"] == pytest.approx(ours) and row["within"] == within


@pytest.mark.parametrize(
    ("off", "within"), [(0.0, "yes"), (0.01, "yes"), (-0.01, "yes"), (0.0101, "no"), (-0.02, "no")]
)
def test_one_rerun_has_a_margin_of_a_point(changeable, off, within):
    single = changeable["single_task"]
    rerun = rerun_accuracies()["ViT-L-14"]["standard"]["test"]["dtd"]
    chosen = (single.model == "ViT-L-14") & (single["mode"] == "standard") & (single.task == "dtd")
    single.loc[chosen & (single.split == "test"), "accuracy"] = rerun + off
    comparison = derived_table("comparison", changeable, modes=MODES)
    row = one(comparison, table="single_task", model="ViT-L-14", mode="standard", task="dtd")
    assert row["difference"] == pytest.approx(off) and row["within"] == within
    table = comparison_tables.tasks_against_rerun(comparison, "ViT-L-14")
    column = [(title, name) for title, names in table.groups for name in names].index(
        ("standard", "Difference")
    )
    cell = dict(table.rows)["dtd"][column]
    assert cell.endswith(" *") == (within == "no")
    assert cell.removesuffix(" *") == f"{100 * off:+.1f}".replace("-", "−")


@pytest.mark.parametrize(
    "changed",
    [
        {"models": ("demo-vit",)},
        {"models": ("ViT-B-32-quickgelu",)},
        {"tasks": TASKS[:-1]},
        {"tasks": ("letters", *TASKS[1:])},
        {"control": "glyphs"},
    ],
)
def test_another_scale_has_no_differences(changed):
    tables = paper_study.tables(**changed)
    comparison = derived_table("comparison", tables, modes=MODES)
    assert comparison.difference.isna().all() and set(comparison.within) == {""}
    model = changed.get("models", MODELS)[0]
    row = one(comparison, table="addition", model=model, mode="linear", quantity="absolute")
    assert row["seeds"] == 3
    # The paper's numbers are there all the same.
    row = one(comparison, table="addition", model="ViT-B-32", mode="linear", quantity="absolute")
    assert row["paper"] == 0.765
    table = comparison_tables.beside_paper(comparison, ADDITION, [model])
    assert table.groups[0] == ("this study", (model,))
    other = "other tasks" if model == "ViT-B-32" else "another scale"
    assert table.groups[1] == (f"paper, recalled [1]; {other}", MODELS)
    absolute, normalized = (
        per_seed(tables, "addition", name, model=[model], mode=["linear"])
        for name in ("absolute", "normalized")
    )
    assert dict(table.rows)["linear"] == (
        f"{100 * mean(absolute):.1f} ± {100 * stdev(absolute):.1f} "
        f"({100 * mean(normalized):.1f} ± {100 * stdev(normalized):.1f})",
        "76.5 (85.4)", "81.3 (86.0)", "88.5 (93.5)",
    )  # fmt: skip
    table = comparison_tables.beside_paper(comparison, SINGLE_TASK, [model])
    assert dict(table.rows)["linear"][1:] == ("87.3", "89.6", "92.1")
    assert dict(table.rows)["posthoc"][1:] == ("–", "–", "–")


def cells_by_model(table):
    """Rows under their heading: model -> label -> cells."""
    found, model = {}, None
    for label, cells in table.rows:
        if cells:
            found[model][label] = cells
        else:
            model = label
            found[model] = {}
    return found


def test_addition_against_the_paper(tables, comparison):
    table = comparison_tables.against_paper(comparison, ADDITION, ["A note."])
    assert table.notes[0] == "A note."
    assert [title for title, _ in table.groups] == ["Absolute", "Normalised"]
    assert all(len(columns) == 5 for _, columns in table.groups)
    rows = cells_by_model(table)
    assert tuple(rows) == MODELS
    values = per_seed(tables, "addition", "absolute", model=["ViT-L-14"], mode=["standard"])
    ours = mean(values)
    assert rows["ViT-L-14"]["standard"][:5] == (
        "85.1",
        "82.9–84.5",
        f"{100 * ours:.1f} ± {100 * stdev(values):.1f}",
        f"{100 * (ours - 0.851):+.1f}".replace("-", "−"),
        "yes" if 0.8285 <= ours <= 0.8455 else "no",
    )
    assert rows["ViT-L-14"]["Pre-trained"][5:] == ("–",) * 5


def test_tasks_against_the_rerun(comparison):
    table = comparison_tables.tasks_against_rerun(comparison, "ViT-B-32")
    assert [title for title, _ in table.groups] == ["Pre-trained", "standard", "linear"]
    assert [label for label, _ in table.rows] == [*TASKS, CONTROL]
    body = dict(table.rows)
    assert body["cars"][::3] == ("59.7", "78.3", "76.3")
    assert body[CONTROL][0] in ("63.3", "63.4") and body[CONTROL][3:] == ("–",) * 6
    stars = sum(cell.endswith("*") for cells in body.values() for cell in cells)
    assert f"{stars} of 25" in table.notes[0]


def test_one_model_and_one_seed_leave_the_rest_not_run():
    tables = paper_study.tables(models=("ViT-B-32",), seeds=(7,))
    comparison = derived_table("comparison", tables, modes=MODES)
    assert comparison.spread.isna().all()
    ours = comparison[comparison.model == "ViT-B-32"]
    assert (ours.seeds == 1).all() and (comparison[comparison.model != "ViT-B-32"].seeds == 0).all()
    for kind in (SINGLE_TASK, ADDITION, NEGATION):
        table = comparison_tables.against_paper(comparison, kind)
        assert "±" not in str(table.rows)
        rows = cells_by_model(table)
        for model in MODELS:
            cells = [cell for row in rows[model].values() for cell in row]
            assert ("not run" in cells) == (model != "ViT-B-32")
        assert "76.5" in rows["ViT-B-32"]["linear"] or kind is not ADDITION


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_that_was_not_run(tables, mode):
    """Everything is made without it, and says so."""
    rest = without(tables, mode=mode, model="ViT-B-16")
    comparison = derived_table("comparison", rest, modes=MODES)
    for kind in (SINGLE_TASK, ADDITION, NEGATION):
        rows = cells_by_model(comparison_tables.against_paper(comparison, kind))
        assert "not run" in rows["ViT-B-16"][mode]
        assert "not run" not in rows["ViT-B-32"][mode]
    table1, table2 = (paper_table(name, rest) for name in ("table1", "table2"))
    assert dict(table1.rows)[mode][2:4] == dict(table2.rows)[mode][2:4] == ("not run",) * 2
    headline = cells_by_model(report_tables.headline(rest))
    assert headline["ViT-B-16"][mode] == ("not run",) * 5
    assert "not run" not in headline["ViT-L-14"][mode]
    per_task = report_tables.per_task(rest, "ViT-B-16")
    assert all(cells.count("not run") == 3 for _, cells in per_task.rows)
    claims = claims_of(rest)
    verdicts = claims[claims.model == "ViT-B-16"].set_index("claim").verdict
    assert verdicts["posthoc_addition_normalized"] == "not run" or mode == "linear"
    assert (verdicts["linear_negation"] == "not run") == (mode != "posthoc")
    assert (verdicts["posthoc_single_task"] == "not run") == (mode != "linear")


def empty(name):
    return pd.DataFrame(columns=list(TABLES[name].columns))


def claims_of(tables):
    """The claims, of tables of which some may not be there."""
    missing = {name: empty(name) for name in TABLES["claims"].tables if name not in tables}
    return derived_table("claims", tables | missing, families=FAMILIES)


@pytest.mark.parametrize("left_out", ["single_task", "addition", "negation", "all"])
def test_an_artefact_that_was_not_run(tables, left_out):
    names = [left_out] if left_out != "all" else list(tables)
    rest = tables | {name: empty(name) for name in names}
    quantities = {"negation": ["target", "control"], "all": []}.get(left_out, [left_out])
    for quantity in quantities:
        rest = without(rest, quantity=quantity)
    comparison = derived_table("comparison", rest, modes=MODES)
    run = comparison[(comparison.seeds > 0) & (comparison["mode"] != "zero_shot")]
    assert set(run.table) == {"single_task", "addition", "negation"} - {*names}
    if left_out in ("single_task", "all"):
        # Without it nobody knows which tasks there are: no difference.
        assert comparison.difference.isna().all()
    for name in PAPER_TABLES:
        table = paper_table(name, rest)
        assert to_latex(table) and to_markdown(table)
    for kind in (SINGLE_TASK, ADDITION, NEGATION):
        table = comparison_tables.against_paper(comparison, kind)
        texts = [cell for _, cells in table.rows for cell in cells]
        assert ("not run" in texts) == (
            kind.name in names or "single_task" in names and kind is ADDITION
        )
    report_tables.headline(rest)
    claims = claims_of(rest)
    judged = {"single_task": "single", "addition": "addition", "negation": "negation"}
    for name in names:
        mine = claims[claims.claim.str.contains(judged.get(name, "random"))]
        assert set(mine.verdict) <= {"not run"}


def test_no_study_from_random_weights(tables):
    table3 = paper_table("table3", tables)
    assert table3.notes == ("This study has no part from a random initialisation.",)
    assert {cell for _, cells in table3.rows for cell in cells} == {"not run"}


def test_a_seed_that_lacks_a_task_does_not_count(tables):
    gone = without(tables, model="ViT-B-32", mode="linear", task="svhn", seed=1)
    where = {"table": "negation", "model": "ViT-B-32", "mode": "linear", "quantity": "target"}
    row = one(derived_table("comparison", gone, modes=MODES), **where)
    values = per_seed(gone, "negation", "target", model=["ViT-B-32"], mode=["linear"], seed=[0, 2])
    assert row["seeds"] == 2 and row["ours"] == pytest.approx(mean(values))


def test_a_seed_that_ran_one_of_two_modes_is_not_judged(tables):
    gone = without(tables, model="ViT-B-32", mode="linear", seed=1)
    claims = claims_of(gone)
    rows = claims[claims.model == "ViT-B-32"].set_index("claim")
    assert rows.seeds["linear_addition_absolute"] == rows.seeds["linear_negation"] == 2
    assert rows.seeds["posthoc_single_task"] == 3
    differences = [
        linear - standard
        for linear, standard in zip(
            *(
                per_seed(
                    tables, "addition", "absolute", model=["ViT-B-32"], mode=[mode], seed=[0, 2]
                )
                for mode in ("linear", "standard")
            ),
            strict=True,
        )
    ]
    assert rows["mean"]["linear_addition_absolute"] == pytest.approx(mean(differences))


def test_the_script_writes_what_can_be_read_back(tables, comparison, tmp_path):
    for name in ("single_task", "addition", "negation"):
        tables[name].to_csv(tmp_path / f"{name}.csv", index=False)
    argv = [
        "--table",
        "comparison",
        "--settings-json",
        json.dumps({"modes": [*MODES]}),
        "--tables-dir",
        str(tmp_path),
    ]
    argv += ["--output", str(tmp_path / "comparison.csv")]
    derive_table.run(cli.parse(derive_table.Arguments, argv))
    found = load_tables(tmp_path, ["comparison"])["comparison"]
    pd.testing.assert_frame_equal(found, comparison, check_dtype=False)


def test_later_work_has_the_reruns_and_the_methods():
    rows = dict(comparison_tables.later_work().rows)
    assert rows["standard, independent re-runs [3]"][:2] == ("70.1–73.5", "77.2–80.4")
    assert rows["TaLoS [5]"] == ("79.7", "90.8", "82.6", "92.4", "88.3", "95.2")
    assert len(rows) == 7
