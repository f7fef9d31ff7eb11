"""Tables of the report that set this study beside other people's numbers, from comparison.csv."""

import itertools
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from tangent.results.comparison_table import ALL_TASKS, ONE_RUN, ROUNDING
from tangent.results.paper_numbers import citation, paper_models, paper_numbers
from tangent.results.render import MISSING, NOT_RUN, Row, Table, decimal, percent_with_spread
from tangent.results.studied import mode_label

_WITHIN = f"Within {100 * ONE_RUN:g} point"


class Kind(NamedTuple):
    """One kind of result that others report too.

    Attributes:
        name: its `table` in comparison.csv.
        caption: what it is, with units.
        quantities: `quantity` in comparison.csv -> how tables write it.
        form: how the quantities make one cell, as `{} ({})`.
        columns: of each quantity, other people's numbers first.
    """

    name: str
    caption: str
    quantities: dict[str, str]
    form: str
    columns: Sequence[str]


SINGLE_TASK = Kind(
    "single_task",
    "Single tasks: test accuracy in %, mean over the tasks",
    {"accuracy": "Accuracy"},
    "{}",
    ("Re-run", "This study", "Difference", _WITHIN),
)
ADDITION = Kind(
    "addition",
    "Task addition: test accuracy in %, mean over the tasks, after adding all task vectors",
    {"absolute": "Absolute", "normalized": "Normalised"},
    "{} ({})",
    ("Paper", "Re-runs", "This study", "Difference", "In range"),
)
NEGATION = Kind(
    "negation",
    "Task negation: test accuracy in %, mean over the negated tasks",
    {"target": "Target", "control": "Control"},
    "{} / {}",
    ("Paper", "This study", "Difference"),
)

_SOURCES = ("comparison",)
_CITED = {
    "Paper": f"paper, recalled {citation('paper')}",
    "Re-run": f"re-run, cited {citation('rerun_single_task')}",
}
_READING = {
    "Paper": f"Paper: {citation('paper')}, recalled. Difference: this study − paper, in points.",
    "Re-run": f"Re-run: an independent one {citation('rerun_single_task')}. Difference: this "
    "study − re-run, in points.",
    "Re-runs": f"Re-runs: lowest to highest of independent ones {citation('rerun_addition')}.",
    "In range": "In range: this study's mean lies in the re-runs' range, give or take "
    f"{100 * ROUNDING:g} points for rounding.",
}


def against_paper(comparison: pd.DataFrame, kind: Kind, notes: Sequence[str] = ()) -> Table:
    """The paper's models, a row per model and mode: paper, re-runs, ours, differences."""
    means = _means(comparison, kind)
    rows: list[Row] = []
    for model in paper_models():
        rows.append((model, ()))
        for mode in comparison["mode"].unique():
            found = [_texts(means, model, mode, quantity) for quantity in kind.quantities]
            cells = [texts[column] for texts in found for column in kind.columns]
            rows.append((mode_label(mode), cells))
    return Table(
        f"{kind.name}-against-paper",
        kind.caption,
        "Mode",
        [(title, kind.columns) for title in kind.quantities.values()],
        rows,
        (*notes, *(_READING[column] for column in kind.columns if column in _READING)),
        _SOURCES,
    )


def beside_paper(
    comparison: pd.DataFrame,
    kind: Kind,
    models: Sequence[str],
    notes: Sequence[str] = (),
    same_family: bool = True,
) -> Table:
    """This study's `models` at the left, the paper's at the right, a row per mode; no differences.

    For another scale: models or tasks that are not the paper's. Where not even the family is
    (`same_family`), the models stand alone.
    """
    means, theirs = _means(comparison, kind), kind.columns[0]
    other = "other tasks" if set(models) <= set(paper_models()) else "another scale"
    groups = {"this study": models}
    if same_family:
        groups[f"{_CITED[theirs]}; {other}"] = paper_models()
    rows = []
    for mode in comparison["mode"].unique():
        cells = []
        for place, of_place in groups.items():
            whose = "This study" if place == "this study" else theirs
            for model in of_place:
                texts = [_texts(means, model, mode, of)[whose] for of in kind.quantities]
                known = [text for text in texts if text != MISSING]
                is_whole = len(known) == len(texts) > 1
                cells.append(kind.form.format(*texts) if is_whole else (known or [MISSING])[0])
        rows.append((mode_label(mode), cells))
    names = [title.lower() for title in kind.quantities.values()]
    form = f": {kind.form.format(*names)}" if len(names) > 1 else ""
    caption = kind.caption + form
    name = f"{kind.name}-beside-paper"
    return Table(name, caption, "Mode", list(groups.items()), rows, notes, _SOURCES)


def _means(comparison: pd.DataFrame, kind: Kind) -> pd.DataFrame:
    rows = comparison[(comparison.table == kind.name) & (comparison.task == ALL_TASKS)]
    return rows.set_index(["model", "mode", "quantity"])


def _texts(rows: pd.DataFrame, *place: str) -> dict[str, str]:
    """The cells of one row of comparison.csv, by the names of the columns."""
    if place not in rows.index:
        return defaultdict(lambda: MISSING)
    row = rows.loc[place]
    reruns = "–".join(dict.fromkeys([_percent(row.rerun_low), _percent(row.rerun_high)]))
    within = row.within or MISSING
    return {
        "Paper": _percent(row.paper),
        "Re-run": reruns,
        "Re-runs": reruns,
        "This study": percent_with_spread(row.ours, row.spread) if row.seeds else NOT_RUN,
        "Difference": _percent(row.difference, "+"),
        "In range": within,
        _WITHIN: within,
    }


def _percent(fraction: float, sign: str = "") -> str:
    return MISSING if pd.isna(fraction) else decimal(100 * fraction, 1, sign)


def tasks_against_rerun(comparison: pd.DataFrame, model: str) -> Table:
    """Single-task accuracy of one of the paper's models, task by task, beside the re-run's."""
    rows = comparison[(comparison.table == "single_task") & (comparison.model == model)]
    rows = rows[rows.task != ALL_TASKS].set_index(["mode", "task"])
    modes = [mode for mode, of_mode in rows.groupby("mode", sort=False) if of_mode.rerun_low.any()]
    body = []
    for task in (*paper_numbers()["tasks"], paper_numbers()["control"]):
        cells: list[str] = []
        for mode in modes:
            texts = _texts(rows, mode, task)
            far = " *" if texts[_WITHIN] == "no" else ""
            cells += [texts["Re-run"], texts["This study"], texts["Difference"] + far]
        body.append((task, cells))
    far, compared = (rows.within == "no").sum(), (rows.within != "").sum()
    return Table(
        f"{model}-tasks-against-rerun",
        f"{model}, every single task beside an independent re-run "
        f"{citation('rerun_single_task')}: test accuracy in %",
        "Task",
        [(mode_label(mode), SINGLE_TASK.columns[:3]) for mode in modes],
        body,
        (
            f"Difference: this study − re-run, in points; * more than {100 * ONE_RUN:g} point: "
            f"{far} of {compared}. The control task is never fine-tuned.",
        ),
        _SOURCES,
    )


def later_work() -> Table:
    """Addition by re-runs and later methods on the paper's protocol."""
    known = paper_numbers()
    found = {
        f"{mode_label(row['mode'])}, independent re-runs {citation('rerun_addition')}": row
        for row in known["rerun_addition"]
    } | {f"{row['label']} {citation(row['reference'])}": row for row in known["later_addition"]}
    return Table(
        "later-work",
        "Task addition elsewhere: test accuracy in %, mean over the paper's eight tasks (cited)",
        "Method",
        [(model, ("Absolute", "Normalised")) for model in paper_models()],
        [
            # A number, or the lowest and the highest of several.
            (label, ["–".join(f"{one:.1f}" for one in np.atleast_1d(cell)) for cell in cells])
            for label, row in found.items()
            for cells in [itertools.chain(*zip(row["absolute"], row["normalized"], strict=True))]
        ],
    )
