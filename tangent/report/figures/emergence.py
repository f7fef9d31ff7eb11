"""Emergence of disentanglement: accuracies, ξ and local energy against steps of pre-training."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from tangent.report.figures import style
from tangent.report.figures.catalogue import Caption
from tangent.results.studied import modes_in

INPUTS = ("emergence",)

_BEFORE = {"color": style.BLACK, "linestyle": "-", "marker": "D"}
_APART = 0.075  # labels of steps that are closer than this share of the axis would overlap

CAPTION = Caption(
    "Emergence during pre-training",
    "The study of each checkpoint of one pre-training against its step; the axis is logarithmic, "
    "with the random initialisation at 0. Accuracies are means over the tasks: before fine-tuning "
    "(diamonds), of single tasks, and after adding all task vectors at the chosen α. ξ is the "
    "mean of figure 3 over the range [−1, 1]² of the α search and the pairs. Local energy: that "
    "of figure 6 on the kernel's own task divided by that on the other data sets, geometric mean "
    "over the kernels; above 1 (dashed) eigenfunctions lean to their task. It belongs to the "
    "checkpoint and to no mode.{% if seeds > 1 %} Lines are means over {{ seeds }} seeds, bands "
    "their range.{% endif %}",
    "One pre-training: another seed or recipe may have other turning points. All checkpoints are "
    "fine-tuned with the same learning rates and epochs, which were chosen for none of the early "
    "ones; where single tasks are hardly learnt, a small ξ only says that the task vectors do "
    "little.",
)


def describe(tables: dict[str, pd.DataFrame]) -> str:
    """Accuracies and errors at the first and the last step."""
    table = tables["emergence"]
    names = ["single_task", "absolute", "disentanglement"]
    texts = []
    for mode in modes_in(table):
        means = table[table["mode"] == mode].groupby("step")[names].mean()
        ends = [
            f"{100 * at.single_task:.1f} % on single tasks, {100 * at.absolute:.1f} % after "
            f"addition, ξ {at.disentanglement:.2f}"
            for at in (means.iloc[0], means.iloc[-1])
        ]
        steps = f"step {means.index[0]} to {means.index[-1]}"
        texts.append(f"{mode}, {steps}: {' to '.join(ends)}")
    return f"Curves against steps of pre-training. {'; '.join(texts)}."


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Four panels over the steps of pre-training; lines are means, bands the range over seeds."""
    table = tables["emergence"]
    modes = modes_in(table)
    figure = style.new_figure(7.4, 5.6)
    single, addition, error, energy = figure.subplots(2, 2, sharex=True).flat
    for axes, column, scale in (
        (single, "single_task", 100), (addition, "absolute", 100), (error, "disentanglement", 1),
    ):  # fmt: skip
        for mode in modes:
            _curve(axes, table[table["mode"] == mode], column, scale, style.MODE_LOOKS[mode])
    before = table[table["mode"] == modes[0]]
    for axes in (single, addition):
        _curve(axes, before, "zero_shot", 100, _BEFORE)
    _curve(energy, before, "localization", 1, _BEFORE)
    single.set(title="single tasks", ylabel="test accuracy (%)", ylim=(0, 100))
    addition.set(title="addition of all tasks", ylabel="test accuracy (%)", ylim=(0, 100))
    error.set(title="weight disentanglement", ylabel="mean ξ, search box", ylim=(0, None))
    energy.set(title="local energy of the kernel at θ₀", ylabel="task / other data sets")
    energy.axhline(1, **style.DASHED)
    energy.set_ylim(min(0.9, energy.get_ylim()[0]), None)
    for axes in (error, energy):
        axes.set_xlabel("steps of pre-training")
    _steps(figure.axes, sorted(table.step.unique()))
    sizes = {"linewidth": 1.6, "markersize": 5, "markeredgecolor": "white"}
    handles = style.mode_handles(modes, **sizes)
    handles.append(Line2D([], [], **_BEFORE, **sizes, label="pre-trained, no task vector"))
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _curve(axes: Axes, rows: pd.DataFrame, column: str, scale: float, look: dict) -> None:
    look = look | style.WHITE_EDGE | {"linewidth": 1.6, "markersize": 4.5}
    style.draw_seeds(axes, rows, "step", column, scale, **look)


def _steps(panels: list[Axes], steps: list[int]) -> None:
    """A logarithmic axis that has room for step 0, the random initialisation, and marks it."""
    for axes in panels:
        first = next((step for step in steps if step > 0), 1)
        # Below the first step the axis is linear: 0 lies as far from it as a factor of 4 does.
        axes.set_xscale("symlog", linthresh=first, linscale=0.6)
        axes.set_xlim(steps[0] if steps[0] else -0.15 * first, 1.2 * max(steps[-1], first))
        if steps[0] == 0:
            axes.axvline(0, color=style.GREY, linewidth=1.0, linestyle=(0, (1, 2)), zorder=0)
        place = axes.xaxis.get_transform().transform
        low, high = (place([limit])[0] for limit in axes.get_xlim())
        shown: list[int] = []
        for step in reversed(steps):  # the last one is there in any case
            if not shown or place([shown[-1]])[0] - place([step])[0] > _APART * (high - low):
                shown.append(step)
        labels = ["0\nrandom" if step == 0 else f"{step:g}" for step in shown]
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(shown, labels)
