"""Beyond the paper: tables, figure and report of other combinations; studies without them."""

import itertools
import re
from statistics import fmean, stdev

import numpy as np
import pytest
from test_collect import one, read, rows_of

from tangent.report.figures import subsets
from tangent.report.figures.catalogue import FIGURES, figures_of
from tangent.report.figures.style import MODE_COLOURS
from tangent.report.report_tables import analogies, beyond_paper, per_task_alpha
from tangent.results.columns import TABLES as ALL
from tangent.results.columns import raw_results, tables_of

TABLES = {"subsets", "per_task_alpha", "analogies"}
MODES = ("posthoc", "linear")


@pytest.fixture(scope="module")
def without(config):
    """The same study without other combinations."""
    nothing = config.combinations.model_copy(update={"models": []})
    return config.model_copy(update={"combinations": nothing})


def raw(study, model, mode, seed):
    return read(study / f"combinations/{model}/{mode}/seed{seed}/result.json")


def test_tables_equal_the_results(study, config):
    found = {name: rows_of(study, name) for name in TABLES}
    places = list(itertools.product(config.models, MODES, config.seeds))
    assert len(found["per_task_alpha"]) == len(places) * len(config.tasks)
    assert len(found["analogies"]) == len(places)
    for model, mode, seed in places:
        place, result = {"model": model, "mode": mode, "seed": seed}, raw(study, model, mode, seed)
        for entry in result["subsets"]:
            row = one(found["subsets"], **place, subset="+".join(entry["tasks"]))
            assert int(row["size"]) == len(entry["tasks"])
            for name in ("alpha", "absolute", "normalized"):
                assert float(row[name]) == entry[name]
        for task, entry in result["per_task_alpha"].items():
            row = one(found["per_task_alpha"], **place, task=task)
            assert {name: float(row[name]) for name in entry} == entry
        (entry,) = result["analogies"]
        row = one(found["analogies"], **place)
        assert [row[name] for name in "abcd"] == config.combinations.analogies[0]
        assert all(float(row[name]) == entry[name] for name in entry if name not in "abcd")
    assert len(found["subsets"]) == len(places) * len(result["subsets"])


def test_a_study_without_them_has_no_such_tables_and_figures(config, without):
    assert set(tables_of(config)) - set(tables_of(without)) == TABLES
    # Its models have learning rates of their own: none is chosen. It has one way of merging.
    assert set(tables_of(config)) == set(ALL) - {"learning_rates", "merging"}
    assert set(figures_of(config)) == set(FIGURES)
    assert set(figures_of(config)) - set(figures_of(without)) == {"subsets"}
    assert not any(raw_results(without, name) for name in TABLES)


def test_the_figure_shows_means_and_spreads_over_subsets(study, config, tables):
    figure = subsets.draw(tables)
    panels = np.array(figure.axes).reshape(len(config.models), 2)
    for row, model in zip(panels, config.models, strict=True):
        for axes, quantity in zip(row, ("absolute", "normalized"), strict=True):
            for mode in MODES:
                (curve,) = [line for line in axes.lines if line.get_color() == MODE_COLOURS[mode]]
                results = [raw(study, model, mode, seed)["subsets"] for seed in config.seeds]
                expected = {}
                for of_seeds in zip(*results, strict=True):
                    mean = 100 * fmean(entry[quantity] for entry in of_seeds)
                    expected.setdefault(len(of_seeds[0]["tasks"]), []).append(mean)
                assert list(curve.get_xdata()) == list(expected) == list(range(1, 9))
                means = [fmean(values) for values in expected.values()]
                assert curve.get_ydata() == pytest.approx(means)
                band = axes.collections[MODES.index(mode)].get_paths()[0].vertices
                for size, values in expected.items():
                    heights = band[band[:, 0] == size, 1]
                    if len(values) == 1:
                        assert len(heights) == 0
                    else:
                        low, high = fmean(values) - stdev(values), fmean(values) + stdev(values)
                        assert [heights.min(), heights.max()] == pytest.approx([low, high])
        zero_shot = tables["single_task"].query(
            "model == @model and mode == 'zero_shot' and split == 'test'"
        )
        start = 100 * zero_shot[zero_shot.task != config.control].accuracy.mean()
        levels = [axes.lines[-1].get_ydata()[0] for axes in row]
        assert levels == pytest.approx([start, 100])


def test_an_alpha_per_task_stands_beside_one(study, config, tables):
    table = per_task_alpha(tables["per_task_alpha"])
    assert [label for label, _ in table.rows] == [
        f"{model}: {label}" for model in config.models for label in MODES
    ]
    cells = dict(table.rows)["demo-vit: linear"]
    results = [raw(study, "demo-vit", "linear", seed)["per_task_alpha"] for seed in config.seeds]
    names = ("shared_accuracy", "shared_normalized", "accuracy", "normalized")
    for cell, name in zip(cells[1:5], names, strict=True):
        values = [100 * fmean(entry[name] for entry in of.values()) for of in results]
        assert cell == f"{fmean(values):.1f} ± {stdev(values):.1f}"
    for cell, task in zip(cells[5:], config.tasks, strict=True):
        values = [of[task]["alpha"] for of in results]
        assert cell == f"{min(values):.2f}–{max(values):.2f}" or min(values) == max(values)


def test_analogies_are_read_as_sentences(study, tables):
    table = analogies(tables["analogies"].query("seed == 1"))
    rows = [cells for label, cells in table.rows if label == "shapes is to letters as photos is to "
            "digits"]  # fmt: skip
    (entry,) = raw(study, "demo-vit", "posthoc", 1)["analogies"]
    names = ("zero_shot", "baseline_accuracy", "accuracy", "single_task")
    expected = [f"{100 * entry[name]:.1f}" for name in names]
    assert [rows[0][i] for i in (0, 1, 2, 4)] == expected and rows[0][3] == "0.40"
    assert len(rows) == 4 and ("demo-vit: posthoc", ()) in table.rows


def test_without_analogies_there_is_no_table_of_them(tables):
    none = tables["analogies"].query("seed == 99")
    shown = beyond_paper({**tables, "analogies": none})
    assert [table.name for table in shown] == ["per-task-alpha"]
    assert all(re.match("Beyond the paper", table.caption) for table in beyond_paper(tables))
