"""Figures: what they draw, that they are the same bytes each time, and that their text is text."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from PIL import Image

from tangent.jobs.errors import UserError
from tangent.report.build import caption_of
from tangent.report.figures import (
    alpha_curves,
    emergence,
    figure2,
    figure3,
    figure5,
    figure6,
    rate_sensitivity,
)
from tangent.report.figures.catalogue import FIGURES, load_figure, save
from tangent.report.figures.style import MODE_COLOURS
from tangent.results.columns import TABLES

SUFFIXES = ("svg", "pdf", "png")


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
        seen = module.describe(inputs)
        save(module.draw(inputs), *(tmp_path / f"{take}.{suffix}" for suffix in SUFFIXES), seen)
    for suffix in SUFFIXES:
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
    svg = (tmp_path / "a.svg").read_text(encoding="utf-8")
    ElementTree.fromstring(svg)
    assert "<text" in svg
    assert not re.search(r'(href|src)="(?!#|data:)', svg)
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.text["Title"] == seen


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


@pytest.mark.parametrize("name", FIGURES)
def test_several_models_and_one_seed(tmp_path, tables, name):
    module = load_figure(name)
    inputs = {table: tables[table][tables[table].seed == 0] for table in module.INPUTS}
    save(module.draw(inputs), *(tmp_path / f"figure.{suffix}" for suffix in SUFFIXES))
    assert module.describe(inputs).endswith(".")


@pytest.mark.filterwarnings("error:constrained_layout not applied")
@pytest.mark.parametrize(
    "name, pairs",
    [(name, 3) for name in FIGURES if name not in ("emergence", "rate_sensitivity")]
    + [("figure3", 1)],
)
def test_no_text_of_a_figure_is_cut_off(tmp_path, one_model, name, pairs):
    inputs = {table: one_model[table] for table in load_figure(name).INPUTS}
    if "disentanglement" in inputs:
        errors = inputs["disentanglement"]
        shown = errors[["task_1", "task_2"]].drop_duplicates()[:pairs]
        inputs["disentanglement"] = errors.merge(shown, on=["task_1", "task_2"])
    names = [f"a-model-with-a-rather-long-name-{i}" for i in range(4)]
    for table, rows in inputs.items():
        copies = [rows.replace({"model": {"demo-vit": name}}) for name in names]
        inputs[table] = pd.concat(copies).drop_duplicates()
    save(load_figure(name).draw(inputs), *(tmp_path / f"figure.{suffix}" for suffix in SUFFIXES))
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


def test_a_figure_is_a_module_of_the_folder_with_a_caption(config):
    folder = Path(figure3.__file__).parent
    drawing = {path.stem for path in folder.glob("*.py") if "\ndef draw(" in path.read_text()}
    assert drawing == set(FIGURES)
    for name, inputs in FIGURES.items():
        module = load_figure(name)
        assert inputs == module.INPUTS
        caption = caption_of(name, config)
        assert caption.title and caption.shows.endswith(".") and caption.limits.endswith(".")


def test_planning_reads_figures_and_tables_without_what_they_are_made_with():
    imports = "import sys, tangent.report.figures.catalogue, tangent.results.paper_tables"
    heavy = "{'matplotlib', 'pandas', 'torch', 'tqdm'}"
    command = f"{imports}; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", command], check=True)


def test_unknown_figure():
    with pytest.raises(UserError, match="unknown figure 'figure9': the figures are figure2"):
        load_figure("figure9")


@pytest.mark.parametrize("figure, mode", [(figure2, "posthoc"), (figure5, "linear")])
def test_a_point_per_model_and_task_at_its_accuracies(tables, config, figure, mode):
    drawn = figure.draw({name: tables[name] for name in figure.INPUTS})
    axes = drawn.axes[0]
    test = tables["single_task"].query("split == 'test'")
    expected = {
        (100 * rows["standard"].accuracy.mean(), 100 * rows[mode].accuracy.mean()): which
        for which, of_both in test.groupby(["model", "task"])
        if not which[0].endswith("-random") and which[1] in config.tasks
        for rows in [dict(list(of_both.groupby("mode")))]
    }
    assert len(expected) == 2 * len(config.tasks)
    check_looks(axes, expected)
    # Equal axes: the diagonal has a slope of 1 on the page.
    assert axes.get_xlim() == axes.get_ylim() and axes.get_aspect() == 1
    drawn.draw_without_rendering()
    assert list(axes.get_xticks()) == list(axes.get_yticks())
    (other,) = {figure2, figure5} - {figure}
    assert axes.get_xlim() == other.draw(tables).axes[0].get_xlim()
    check_legend(drawn, tables, config)


def test_the_second_panel_has_the_normalised_advantage(tables, config):
    """(standard − posthoc) / (1 − 1/C), in the row of its task."""
    figure = figure2.draw({name: tables[name] for name in figure2.INPUTS})
    panel = figure.axes[1]
    named = dict(zip(panel.get_yticks(), panel.get_yticklabels(), strict=True))
    assert [label.get_text() for label in named.values()] == config.tasks
    test = tables["single_task"].query("split == 'test' and not model.str.endswith('-random')")
    pairs = test.pivot(index=["model", "task", "seed"], columns="mode", values="accuracy")
    classes = test.set_index(["model", "task", "seed"]).classes
    chance = 1 / classes[~classes.index.duplicated()]
    advantages = ((pairs.standard - pairs.posthoc) / (1 - chance)).dropna()
    expected = advantages.groupby(["model", "task"]).mean()
    points = points_of(panel)
    assert len(points) == len(expected) == 2 * len(config.tasks)
    found = {}
    for (x, y), (marker, _) in points.items():
        found[marker, named[round(y)].get_text()] = x
    markers = list(dict.fromkeys(marker for marker, _ in points.values()))
    for model, marker in zip(config.models, markers, strict=True):
        for task in config.tasks:
            assert found[marker, task] == pytest.approx(expected[model, task])


def points_of(axes):
    """Place -> (marker, colour) of every point."""
    return {
        (line.get_xdata()[0], line.get_ydata()[0]): (line.get_marker(), line.get_color())
        for line in axes.lines
        if line.get_marker() not in ("None", "")
    }


def check_looks(axes, expected):
    """All points stand where they belong; one marker is one model, one colour one task."""
    looks = {}
    for place, look in points_of(axes).items():
        near = [which for at, which in expected.items() if place == pytest.approx(at)]
        assert len(near) == 1
        looks[near[0]] = look
    assert looks.keys() == set(expected.values())
    for part, number in ((0, "markers"), (1, "colours")):
        kinds = {which[part]: look[part] for which, look in looks.items()}
        assert all(look[part] == kinds[which[part]] for which, look in looks.items()), number
        assert len(set(kinds.values())) == len(kinds), number


def check_legend(figure, tables, config):
    """It names models by their markers and tasks by their colours, and lies beside the axes."""
    (legend,) = figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts == ["model", *config.models, "task", *config.tasks, "equal"]
    shown = dict(zip(texts, legend.legend_handles, strict=True))
    looks = set(points_of(figure.axes[0]).values())
    assert {shown[model].get_marker() for model in config.models} == {m for m, _ in looks}
    assert {shown[task].get_color() for task in config.tasks} == {c for _, c in looks}
    box = legend.get_window_extent()
    assert not any(box.overlaps(axes.get_tightbbox()) for axes in figure.axes)
    assert box.y0 >= 0


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


def lightness(colours):
    """CIE L* of sRGB colours [n, 3 or 4], 0 (black) to 100 (white)."""
    srgb = np.asarray(colours)[:, :3]
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    return 116 * np.cbrt(np.maximum(luminance, (6 / 29) ** 3)) - 16


def test_light_is_disentangled_and_small_errors_can_be_told_apart(one_model):
    figure = figure3.draw({"disentanglement": one_model["disentanglement"]})
    image = figure.axes[0].images[0]
    light = lightness(image.cmap(image.norm(np.linspace(0, 2, 200))))
    assert (np.diff(light) < 0.2).all() and light[0] > 85 and light[-1] < 20
    # In the search box ξ is mostly below 0.5: there a step of 0.1 is seen (1 is just visible).
    steps = lightness(image.cmap(image.norm(np.arange(0, 0.6, 0.1))))
    assert (-np.diff(steps) > 3).all() and steps[0] - steps[-1] > 30
    bar = figure.axes[-1]
    assert "[0, 2]" in bar.get_ylabel() and "sum of two disagreement rates" in bar.get_ylabel()
    figure.draw_without_rendering()
    labels = [float(label.get_text()) for label in bar.get_yticklabels()]
    assert labels == list(bar.get_yticks()) and (labels[0], labels[-1]) == (0, 2)


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
    on_sample = one_model["eigenfunctions"].query(
        "model == 'demo-vit' and task == 'letters' and split == 'sample'"
    )
    (line,) = [line for line in panel.lines if list(line.get_ydata()) == [0, 1]]
    assert list(line.get_xdata()) == pytest.approx([on_sample.energy.mean()] * 2)


def test_local_energies_have_numbers_below_every_panel_and_rows_of_one_height(one_model):
    figure = figure6.draw({name: one_model[name] for name in figure6.INPUTS})
    figure.draw_without_rendering()
    heights = []
    for panel in (axes for axes in figure.axes if axes.axison):
        low, high = panel.get_xlim()
        shown = [float(t.get_text()) for t in panel.get_xticklabels() if t.get_text()]
        assert {1.0, 2.0, 5.0} <= {number for number in shown if low <= number <= high}
        assert all(text.get_visible() for text in panel.get_xticklabels())
        bottom, top = panel.get_ylim()
        heights.append(panel.get_window_extent().height / (bottom - top))
    assert len(heights) > 3 and heights == pytest.approx([heights[0]] * len(heights), rel=0.02)


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
