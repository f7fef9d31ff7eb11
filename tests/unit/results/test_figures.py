"""Figures: what they draw, that they are the same bytes each time, and that their text is text."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from tangent.errors import UserError
from tangent.figures import (
    FIGURES,
    alpha_curves,
    emergence,
    figure3,
    figure6,
    load_figure,
    rate_sensitivity,
    save,
    scatter,
)
from tangent.figures.style import MODE_COLOURS, TASK_MARKERS
from tangent.results.columns import TABLES


@pytest.fixture(scope="module")
def one_model(tables):
    """The same study without its second model."""
    return {name: table[table.model != "other_vit"] for name, table in tables.items()}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_deterministic_and_self_contained(tmp_path, one_model, name):
    module = load_figure(name)
    assert set(module.INPUTS) <= set(TABLES)
    inputs = {table: one_model[table] for table in module.INPUTS}
    for take in ("a", "b"):
        save(module.draw(inputs), tmp_path / f"{take}.svg", tmp_path / f"{take}.pdf")
    for suffix in ("svg", "pdf"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
    svg = (tmp_path / "a.svg").read_text(encoding="utf-8")
    ElementTree.fromstring(svg)
    assert "<text" in svg
    assert not re.search(r'(href|src)="(?!#|data:)', svg)
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")


def test_emergence_draws_every_checkpoint_at_its_step(tables):
    table = tables["emergence"]
    single, addition, error, energy = emergence.draw(tables).axes
    panels = {"single_task": single, "absolute": addition, "disentanglement": error}
    for column, panel in panels.items():
        scale = 1 if column == "disentanglement" else 100
        for mode, colour in MODE_COLOURS.items():
            (line,) = [line for line in panel.lines if line.get_color() == colour]
            means = table[table["mode"] == mode].groupby("step")[column].mean()
            assert list(line.get_xdata()) == [7, 40] == list(means.index)
            assert list(line.get_ydata()) == pytest.approx(list(scale * means))
    (curve,) = [
        line for line in energy.lines if len(line.get_xdata()) == 2 and line.get_marker() == "D"
    ]
    means = table[table["mode"] == "linear"].groupby("step").localization.mean()
    assert list(curve.get_ydata()) == pytest.approx(list(means))


def test_rate_sensitivity_draws_a_point_per_rate_and_training(tables):
    table = tables["rate_sensitivity"]
    panels = zip(rate_sensitivity.draw(tables).axes, ("absolute", "normalized"), strict=True)
    for panel, column in panels:
        assert {text.get_text() for text in panel.texts} == {"0.0001", "0.001", "0.003", "0.01"}
        for mode in ("standard", "linear"):
            (line,) = [line for line in panel.lines if line.get_color() == MODE_COLOURS[mode]]
            means = table[table["mode"] == mode].groupby("rate")[["single_task", column]].mean()
            assert line.get_xydata() == pytest.approx(100 * means.to_numpy())
        assert len(panel.lines) == 2


def test_the_random_initialisation_has_a_place_on_the_logarithmic_axis(tables):
    table = tables["emergence"]
    inputs = {"emergence": pd.concat([table, table[table.step == 7].assign(step=0)])}
    for panel in emergence.draw(inputs).axes[2:]:  # the upper ones share theirs
        labels = {text.get_position()[0]: text.get_text() for text in panel.get_xticklabels()}
        assert labels == {0: "0\nrandom", 7: "7", 40: "40"}
        places = panel.transData.transform([(step, 1.0) for step in (0, 7, 40)])[:, 0]
        assert places[1] - places[0] > 0.1 * (places[2] - places[0])
    assert not any(
        "random" in text.get_text() for text in emergence.draw(tables).axes[3].get_xticklabels()
    )
    with pytest.raises(UserError, match="emergence.steps"):
        emergence.draw({"emergence": table.iloc[:0]})


@pytest.mark.parametrize("name", FIGURES)
def test_several_models_and_one_seed(tmp_path, tables, name):
    module = load_figure(name)
    inputs = {table: tables[table][tables[table].seed == 0] for table in module.INPUTS}
    save(module.draw(inputs), tmp_path / "figure.svg", tmp_path / "figure.pdf")


@pytest.mark.filterwarnings("error:constrained_layout not applied")
@pytest.mark.parametrize(
    "name, pairs",
    [(name, 3) for name in FIGURES if name not in ("emergence", "rate_sensitivity")]
    + [("figure3", 1)],
)
@pytest.mark.parametrize("name_of_model", ["model-{}", "a-model-with-a-rather-long-name-{}"])
def test_no_text_of_a_figure_is_cut_off(tmp_path, one_model, name, pairs, name_of_model):
    inputs = {table: one_model[table] for table in load_figure(name).INPUTS}
    if "disentanglement" in inputs:
        errors = inputs["disentanglement"]
        shown = errors[["task_1", "task_2"]].drop_duplicates()[:pairs]
        inputs["disentanglement"] = errors.merge(shown, on=["task_1", "task_2"])
    names = [name_of_model.format(i) for i in range(4)]
    for table, rows in inputs.items():
        copies = [rows.replace({"model": {"demo-vit": name}}) for name in names]
        inputs[table] = pd.concat(copies).drop_duplicates()
    save(load_figure(name).draw(inputs), tmp_path / "figure.svg", tmp_path / "figure.pdf")
    picture = ElementTree.parse(tmp_path / "figure.svg").getroot()
    left, top, width, height = map(float, picture.get("viewBox").split())
    texts = list(_corners_of_texts(picture))
    named = {name for name in names for text, _ in texts if name in text}
    assert named == set(names)
    for text, corners in texts:
        (x_low, y_low), (x_high, y_high) = corners.min(axis=0), corners.max(axis=0)
        assert left <= x_low and x_high <= left + width, text
        assert top <= y_low and y_high <= top + height, text


def _corners_of_texts(picture):
    """Every text of an SVG figure and its box's corners [4, 2], from the font's own outlines."""
    for element in picture.iter("{http://www.w3.org/2000/svg}text"):
        text, look = "".join(element.itertext()), element.get("style")
        weight = "bold" if "font-weight: 700" in look else "normal"
        size = float(re.search(r"font-size: ([\d.]+)px", look)[1])
        font = FontProperties(family="DejaVu Sans", weight=weight)
        box = TextPath((0, 0), text, size=size, prop=font).get_extents()
        shift = {"middle": 0.5, "end": 1.0}.get(
            (re.search(r"text-anchor: (\w+)", look) or [None, "start"])[1], 0.0
        )
        # SVG's y points down, and its angles turn clockwise.
        corners = box.corners() * [1, -1] - [shift * box.width, 0]
        moves = dict(re.findall(r"(\w+)\(([^)]*)\)", element.get("transform")))
        angle = np.deg2rad(float(moves.get("rotate", "0").split()[0]))
        at = moves["translate"].split() if "translate" in moves else moves["rotate"].split()[1:]
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        yield text, corners @ turn.T + np.array(at, dtype=float)


def test_unknown_figure():
    with pytest.raises(UserError, match="unknown figure 'figure9': the figures are figure2"):
        load_figure("figure9")


def test_scatter_has_a_marker_per_task_at_its_accuracy(one_model, config):
    figure = scatter.draw_scatter(one_model["single_task"], ["demo-vit"], "standard", "linear")
    drawn = {
        line.get_marker(): (line.get_xdata()[0], line.get_ydata()[0])
        for line in figure.axes[0].lines
        if line.get_marker() in TASK_MARKERS
    }
    assert len(drawn) == len(config.tasks)
    test = one_model["single_task"].query("model == 'demo-vit' and split == 'test'")
    for task, marker in zip(config.tasks, TASK_MARKERS, strict=False):
        means = [
            100 * test[(test.task == task) & (test["mode"] == mode)].accuracy.mean()
            for mode in ("standard", "linear")
        ]
        assert drawn[marker] == pytest.approx(means)


def test_heat_maps_put_the_first_task_on_the_x_axis(one_model, config):
    errors = one_model["disentanglement"].copy()
    errors["error"] = errors.alpha_1.abs() / 3  # depends on the first task alone
    figure = figure3.draw({"disentanglement": errors})
    maps = [axes for axes in figure.axes if axes.images]
    assert len(maps) == 3 * len(config.disentanglement.pairs)
    for axes in maps:
        (image,) = axes.images
        assert np.ptp(image.get_array(), axis=0).max() == pytest.approx(0)
        assert np.ptp(image.get_array(), axis=1).min() > 0.9
        assert image.get_clim() == (0, 2)
        # Cells are centred on the grid: the outer edges lie half a step outside.
        assert image.get_extent() == pytest.approx((-3.25, 3.25, -3.25, 3.25))
        (box,) = axes.patches
        assert box.get_bbox().bounds == (-1, -1, 2, 2)
    first, second = config.disentanglement.pairs[0]
    assert maps[-3].get_xlabel().endswith(first) and maps[-3].get_ylabel().endswith(second)


def test_boxes_hold_test_images_only(one_model, config):
    figure = figure6.draw({name: one_model[name] for name in figure6.INPUTS})
    panel = figure.axes[0]
    labels = [label.get_text() for label in panel.get_yticklabels()]
    assert labels == [*config.tasks, config.control]
    diamonds = [line.get_xdata()[0] for line in panel.lines if line.get_marker() == "D"]
    energies = one_model["eigenfunctions"].query(
        "model == 'demo-vit' and task == 'letters' and split == 'test'"
    )
    expected = [energies[energies.dataset == name].energy.mean() for name in labels]
    assert diamonds == pytest.approx(expected)


def test_a_row_is_named_also_where_its_first_kernel_is_missing(tables):
    inputs = {name: tables[name] for name in figure6.INPUTS}
    energies = inputs["eigenfunctions"]
    first = energies.task.iloc[0]
    is_random = energies.model.str.endswith("-random")
    assert is_random.any()
    inputs["eigenfunctions"] = energies[~(is_random & (energies.task == first))]
    shown = [axes for axes in figure6.draw(inputs).axes if axes.axison]
    (named,) = [axes for axes in shown if "random initialisation" in axes.get_ylabel()]
    assert first not in named.get_title()
    assert all(label.get_visible() for label in named.get_yticklabels())


def test_the_chosen_alpha_is_marked_on_its_curve(one_model):
    inputs = {name: one_model[name].query("seed == 0") for name in alpha_curves.INPUTS}
    figure = alpha_curves.draw(inputs)
    sweep = inputs["alpha_sweep"].query("model == 'demo-vit' and operation == 'addition'")
    marks = {
        line.get_color(): (line.get_xdata()[0], line.get_ydata()[0])
        for line in figure.axes[0].lines
        if line.get_linestyle() == "None"
    }
    for row in inputs["addition"].itertuples():
        curve = sweep[sweep["mode"] == row.mode].groupby("alpha").normalized.mean()
        assert marks[MODE_COLOURS[row.mode]] == pytest.approx((row.alpha, 100 * curve[row.alpha]))
    # One small marker per mode and task in each of negation's panels, none below the threshold.
    for axes in figure.axes[1:3]:
        small = [line for line in axes.lines if line.get_linestyle() == "None"]
        assert len(small) == 3 * 8
    assert min(line.get_ydata()[0] for line in small) >= 95
