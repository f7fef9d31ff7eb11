"""Tables of the report that set this study beside other people's numbers, from comparison.csv."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from tangent.arithmetic.modes import MODES
from tangent.results.comparison_table import ALL_TASKS, ONE_RUN, ROUNDING
from tangent.results.paper_numbers import is_paper_model, paper_models, paper_numbers
from tangent.results.render import MISSING, NOT_RUN, Table, percent_with_spread

_LABELS = {"zero_shot": "Pre-trained"} | {mode: mode for mode in MODES}


@dataclass(frozen=True)
class Kind:
    """One kind of result that others report too.

    Attributes:
        name: its `table` in comparison.csv.
        caption: what it is, with units.
        quantities: (`quantity` in comparison.csv, how tables write it).
        form: how the quantities make one cell, as `{} ({})`.
        source: whose numbers stand beside ours, and how we know them.
    """

    name: str
    caption: str
    quantities: tuple[tuple[str, str], ...]
    form: str
    source: str = "paper, recalled"


SINGLE_TASK = Kind(
    "single_task",
    "Single tasks: test accuracy in %, mean over the tasks",
    (("accuracy", "Accuracy"),),
    "{}",
    "re-run, cited",
)
ADDITION = Kind(
    "addition",
    "Task addition: test accuracy in %, mean over the tasks, after adding all task vectors",
    (("absolute", "Absolute"), ("normalized", "Normalised")),
    "{} ({})",
)
NEGATION = Kind(
    "negation",
    "Task negation: test accuracy in %, mean over the negated tasks",
    (("target", "Target"), ("control", "Control")),
    "{} / {}",
)


def against_paper(comparison: pd.DataFrame, kind: Kind, notes: Sequence[str] = ()) -> Table:
    """The paper's models, a row per model and mode: paper, re-runs, ours, differences."""
    means = _means(comparison, kind)
    columns = _COLUMNS[kind.name]
    rows: list[tuple[str, tuple[str, ...]]] = []
    for model in paper_models():
        rows.append((model, ()))
        for mode, label in _LABELS.items():
            cells: list[str] = []
            for quantity, _ in kind.quantities:
                texts = _texts(means, model, mode, quantity)
                cells += [texts[column] for column in columns]
            rows.append((label, tuple(cells)))
    return Table(
        f"{kind.name}-against-paper",
        kind.caption,
        "Mode",
        tuple((title, columns) for _, title in kind.quantities),
        tuple(rows),
        (*notes, *(_READING[column] for column in columns if column in _READING)),
    )


_WITHIN = f"Within {100 * ONE_RUN:g} point"
_COLUMNS = {
    "single_task": ("Re-run", "This study", "Difference", _WITHIN),
    "addition": ("Paper", "Re-runs", "This study", "Difference", "In range"),
    "negation": ("Paper", "This study", "Difference"),
}
_READING = {
    "Paper": "Paper: recalled. Difference: this study − paper, in points.",
    "Re-run": "Re-run: an independent one, cited. Difference: this study − re-run, in points.",
    "Re-runs": "Re-runs: lowest to highest of independent ones, cited.",
    "In range": "In range: this study's mean lies in the re-runs' range, give or take "
    f"{100 * ROUNDING:g} points for rounding.",
}


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
    others = paper_models() if same_family else []
    means = _means(comparison, kind)
    rows = []
    for mode, label in _LABELS.items():
        columns = [(model, "This study") for model in models]
        columns += [(model, "Paper") for model in others]
        cells = []
        for model, whose in columns:
            texts = [_texts(means, model, mode, quantity) for quantity, _ in kind.quantities]
            if whose == "Paper" and kind is SINGLE_TASK:
                whose = "Re-run"
            cells.append(_joined(kind.form, [text[whose] for text in texts]))
        rows.append((label, tuple(cells)))
    names = [title.lower() for _, title in kind.quantities]
    other = "other tasks" if all(map(is_paper_model, models)) else "another scale"
    return Table(
        f"{kind.name}-beside-paper",
        kind.caption + (f": {kind.form.format(*names)}" if len(names) > 1 else ""),
        "Mode",
        (
            ("this study", tuple(models)),
            *([(f"{kind.source}; {other}", tuple(others))] if others else []),
        ),
        tuple(rows),
        tuple(notes),
    )


def _joined(form: str, texts: Sequence[str]) -> str:
    known = [text for text in texts if text != MISSING]
    return form.format(*texts) if len(known) == len(texts) > 1 else (known or [MISSING])[0]


def _means(comparison: pd.DataFrame, kind: Kind) -> pd.DataFrame:
    rows = comparison[(comparison.table == kind.name) & (comparison.task == ALL_TASKS)]
    return rows.set_index(["model", "mode", "quantity"])


def _texts(means: pd.DataFrame, model: str, mode: str, quantity: str) -> dict[str, str]:
    """The cells of one row of comparison.csv, by the names of the columns."""
    if (model, mode, quantity) not in means.index:
        return defaultdict(lambda: MISSING)
    return _cells(means.loc[(model, mode, quantity)])


def _cells(row: pd.Series) -> dict[str, str]:
    reruns = "–".join(dict.fromkeys([_percent(row.rerun_low), _percent(row.rerun_high)]))
    within = row.within or MISSING
    return {
        "Paper": _percent(row.paper),
        "Re-run": reruns,
        "Re-runs": reruns,
        "This study": percent_with_spread(row.ours, row.spread) if row.seeds else NOT_RUN,
        "Difference": _points(row.difference),
        "In range": within,
        _WITHIN: within,
    }


def _percent(fraction: float) -> str:
    return MISSING if pd.isna(fraction) else f"{100 * fraction:.1f}"


def _points(difference: float) -> str:
    return MISSING if pd.isna(difference) else f"{100 * difference:+.1f}".replace("-", "−")


def tasks_against_rerun(comparison: pd.DataFrame, model: str) -> Table:
    """Single-task accuracy of one of the paper's models, task by task, beside the re-run's."""
    rows = comparison[(comparison.table == "single_task") & (comparison.model == model)]
    rows = rows[rows.task != ALL_TASKS].set_index(["mode", "task"])
    modes = [mode for mode in _LABELS if rows.loc[[mode]].rerun_low.notna().any()]
    body = []
    for task in (*paper_numbers()["tasks"], paper_numbers()["control"]):
        cells: list[str] = []
        for mode in modes:
            if (mode, task) in rows.index:
                row = rows.loc[(mode, task)]
                flag = " *" if row.within == "no" else ""
                texts = _cells(row)
                cells += [texts["Re-run"], texts["This study"], texts["Difference"] + flag]
            else:
                cells += [MISSING] * 3
        body.append((task, tuple(cells)))
    far, compared = (rows.within == "no").sum(), (rows.within != "").sum()
    return Table(
        f"{model}-tasks-against-rerun",
        f"{model}, every single task beside an independent re-run: test accuracy in %",
        "Task",
        tuple((_LABELS[mode], ("Re-run", "This study", "Difference")) for mode in modes),
        tuple(body),
        (
            f"Difference: this study − re-run, in points; * more than {100 * ONE_RUN:g} point: "
            f"{far} of {compared}. The control task is never fine-tuned.",
        ),
    )


def later_work() -> Table:
    """Addition by re-runs and later methods on the paper's protocol."""
    known = paper_numbers()
    reruns = {
        f"{_LABELS[row['mode']]}, independent re-runs": row for row in known["rerun_addition"]
    }
    rows = []
    for label, row in (reruns | {row["label"]: row for row in known["later_addition"]}).items():
        pairs = zip(row["absolute"], row["normalized"], strict=True)
        rows.append((label, tuple(_printed(number) for pair in pairs for number in pair)))
    return Table(
        "later-work",
        "Task addition elsewhere: test accuracy in %, mean over the paper's eight tasks (cited)",
        "Method",
        tuple((model, ("Absolute", "Normalised")) for model in paper_models()),
        tuple(rows),
    )


def _printed(number: float | list[float]) -> str:
    numbers = number if isinstance(number, list) else [number]
    return "–".join(f"{one:.1f}" for one in numbers)
