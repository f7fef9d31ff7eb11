"""The figure of what linear fine-tuning gains, task by task, against raw results."""

import itertools
import json

import pytest

from tangent.report.figures import task_differences
from tangent.report.figures.task_differences import describe, differences, draw


@pytest.fixture(scope="module")
def inputs(tables):
    return {name: tables[name] for name in task_differences.INPUTS}


@pytest.fixture(scope="module")
def expected(study, config):
    """(model, task, seed) -> single-task, absolute and normalised difference, from raw results."""

    def read(*names):
        return json.loads(study.joinpath(*names).read_text())

    found = {}
    for place in itertools.product(config.models, config.tasks, (0, 1, 2)):
        model, task, seed = place
        of = {}
        for mode in ("linear", "standard"):
            where = (model, mode, task, f"seed{seed}", "accuracy.json")
            added = read("addition", model, mode, "sum", f"seed{seed}", "result.json")
            added = added["tasks"][task]
            single = read("single_task", *where)["test"]["accuracy"]
            of[mode] = (single, added["accuracy"], added["accuracy"] / single)
        found[place] = [100 * (a - b) for a, b in zip(of["linear"], of["standard"], strict=True)]
    return found


def test_differences_are_those_of_the_raw_results_in_points(inputs, expected, config):
    found = differences(inputs)
    for place, values in expected.items():
        assert list(found.loc[place]) == pytest.approx(values)
    means = found.xs("mean", level="task")
    assert len(found) == len(expected) + len(means) and len(means) == 2 * 3
    for model, seed in means.index:
        of_tasks = [expected[model, task, seed] for task in config.tasks]
        columns = [sum(column) / len(of_tasks) for column in zip(*of_tasks, strict=True)]
        assert list(means.loc[(model, seed)]) == pytest.approx(columns)


def test_a_point_a_bar_and_a_tick_for_every_seed(inputs, expected, config):
    only = {name: table[table.model == "demo-vit"] for name, table in inputs.items()}
    for i, panel in enumerate(draw(only).axes):
        tasks = [label.get_text() for label in panel.figure.axes[0].get_yticklabels()]
        assert sorted(tasks[:-1]) == sorted(config.tasks) and tasks[-1] == "mean"
        points = {tasks[round(line.get_ydata()[0])]: line.get_xdata()[0] for line in panel.lines
                  if line.get_marker() == "o"}  # fmt: skip
        ticks = {tasks[round(line.get_ydata()[0])]: list(line.get_xdata()) for line in panel.lines
                 if line.get_marker() == "|"}  # fmt: skip
        numbers = [text.get_text() for text in panel.texts]
        for task in config.tasks:
            seeds = [expected["demo-vit", task, seed][i] for seed in (0, 1, 2)]
            assert points[task] == pytest.approx(sum(seeds) / 3)
            assert ticks[task] == pytest.approx(seeds)
            text = numbers[tasks.index(task)].replace("−", "-")
            assert float(text) == pytest.approx(points[task], abs=0.051)
        assert len(panel.collections) == len(tasks)  # the bars
        assert panel.get_xlim()[0] < 0 < panel.get_xlim()[1]


def test_tasks_stand_in_the_order_of_the_sums_gain(inputs):
    only = {name: table[table.model == "demo-vit"] for name, table in inputs.items()}
    middle = draw(only).axes[1]
    points = sorted(
        (line.get_ydata()[0], line.get_xdata()[0])
        for line in middle.lines
        if line.get_marker() == "o"
    )
    gains = [gain for _, gain in points[:-1]]
    assert gains == sorted(gains, reverse=True)


def test_one_seed_has_no_spread(inputs):
    first = {name: table[table.seed == 0] for name, table in inputs.items()}
    for panel in draw(first).axes:
        assert not panel.collections
        assert {line.get_marker() for line in panel.lines} == {"o", "None"}


def test_the_text_names_the_extreme_tasks(inputs, expected, config):
    means = {
        task: sum(expected["demo-vit", task, seed][1] for seed in (0, 1, 2)) / 3
        for task in config.tasks
    }
    worst, best = min(means, key=means.get), max(means, key=means.get)
    text = describe(inputs).replace("−", "-")
    assert (
        f"demo-vit, addition, absolute: from {means[worst]:+.1f} ({worst}) to {means[best]:+.1f} "
        f"({best}) points"
    ) in text
