"""The paper's claims as statements with a criterion each, and whether a study reproduces them.

A criterion is the same for every study, applies to every seed by itself, and is part of the table:
nobody has to trust an adjective.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tangent.results import measure
from tangent.results.columns import TABLES
from tangent.results.paper_numbers import paper_difference, paper_family
from tangent.results.studied import studied_models
from tangent.selection import SEARCH_BOX

Tables = dict[str, pd.DataFrame]

INPUTS = (
    "single_task", "addition", "negation", "disentanglement", "eigenfunctions", "random_init",
)  # fmt: skip


@dataclass(frozen=True)
class Claim:
    """One testable statement.

    Attributes:
        name: identifier in claims.csv.
        statement: what the paper claims, in words.
        criterion: when the claim holds for one seed, in words.
        quantity: what `measure` measures.
        measure: (tables, model) -> one row per seed with the columns `value` and `holds` and the
            numbers that `value` was computed from; None where the study has no such results.
        unit: `fraction` (of test examples; texts write it in percent) or `number` (anything else).
        paper: the paper's own numbers as text, of its models' family; empty where we know none.
    """

    name: str
    statement: str
    criterion: str
    quantity: str
    measure: Callable[[Tables, str], pd.DataFrame | None]
    unit: str = "fraction"
    paper: str = ""


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "linear_addition_absolute",
        "Linear beats standard in task addition, absolute accuracy",
        "absolute accuracy of linear − standard > 0",
        "difference of mean test accuracy, linear − standard",
        lambda tables, model: measure.addition(tables, model, "absolute", "linear", "standard"),
        paper=paper_difference("addition", "absolute", "linear", "standard"),
    ),
    Claim(
        "linear_addition_normalized",
        "Linear beats standard in task addition, normalised accuracy",
        "normalised accuracy of linear − standard > 0",
        "difference of normalised test accuracy, linear − standard",
        lambda tables, model: measure.addition(tables, model, "normalized", "linear", "standard"),
        paper=paper_difference("addition", "normalized", "linear", "standard"),
    ),
    Claim(
        "linear_negation",
        "Linear forgets more of the target task at the same control accuracy",
        "target accuracy of standard − linear > 0, and control accuracy of linear at most "
        f"{100 * measure.CONTROL_TOLERANCE:g} percentage point below standard's",
        "difference of mean target test accuracy, standard − linear",
        measure.negation,
        paper=paper_difference("negation", "target", "standard", "linear"),
    ),
    Claim(
        "posthoc_single_task",
        "Post-hoc linearization loses single-task accuracy",
        "single-task accuracy of standard − posthoc > 0",
        "difference of mean single-task test accuracy, standard − posthoc",
        lambda tables, model: measure.single_task(tables, model, "standard", "posthoc"),
    ),
    Claim(
        "posthoc_addition_normalized",
        "Post-hoc linearization gains normalised accuracy in task addition",
        "normalised accuracy of posthoc − standard > 0",
        "difference of normalised test accuracy, posthoc − standard",
        lambda tables, model: measure.addition(tables, model, "normalized", "posthoc", "standard"),
        paper=paper_difference("addition", "normalized", "posthoc", "standard"),
    ),
    *(
        Claim(
            f"{mode}_disentanglement_{region}",
            f"The disentanglement error ξ is smaller for {mode}, {where}",
            "mean ξ of standard − " + mode + " > 0",
            f"difference of mean ξ (in [0, 2]) over the {where} and the pairs, standard − {mode}",
            lambda tables, model, mode=mode, limit=limit: measure.disentanglement(
                tables, model, mode, limit
            ),
            unit="number",
        )
        for region, limit, where in (
            ("search_box", SEARCH_BOX, "search box [−1, 1]²"),
            ("whole_grid", np.inf, "whole grid"),
        )
        for mode in ("posthoc", "linear")
    ),
    Claim(
        "eigenfunctions_localized",
        "The kernel's leading eigenfunctions are localized on its task",
        "ratio of mean local energies, held-out examples of the task / mean of the other data "
        f"sets, geometric mean over the kernels: at least {measure.LOCALIZED:g}",
        "ratio of mean local energies, task / other data sets",
        measure.localization,
        unit="number",
    ),
    Claim(
        "random_single_task",
        "From a random initialisation single tasks are still learnt",
        "standard fine-tuning from a random initialisation makes at least half of the way from its "
        "accuracy at initialisation to the pre-trained model's fine-tuned accuracy, same tasks",
        "share of the way made",
        measure.random_single_task,
        unit="number",
    ),
    *(
        Claim(
            f"random_gain_{mode}",
            f"From a random initialisation task addition fails: less of the gain survives ({mode})",
            "(absolute addition − start) / (single task − start), start: accuracy before "
            "fine-tuning, is larger from the pre-trained than from the random initialisation; not "
            "tested where a model's single tasks gained less than "
            f"{100 * measure.LEARNT:g} points",
            "difference of the share of the gain that survives, pre-trained − random",
            lambda tables, model, mode=mode: measure.random_gain(tables, model, mode),
            unit="number",
        )
        for mode in ("standard", "linear")
    ),
    Claim(
        "random_eigenfunctions",
        "From a random initialisation eigenfunctions do not localize",
        "ratio of mean local energies of the randomly initialised model below "
        f"{measure.LOCALIZED:g} and below the pre-trained model's, same kernels and data sets",
        "ratio of mean local energies, pre-trained / random",
        measure.random_localization,
        unit="number",
    ),
)


def judge(claim: Claim, model: str, family: str, tables: Tables) -> dict[str, object]:
    """One row of claims.csv: `claim` for `model`, one of `family` (a label).

    `verdict` is `reproduced` if the criterion holds for every seed, `not reproduced` if for none,
    `mixed` if the seeds disagree, `not run` if there are no results to judge.
    """
    measured = claim.measure(tables, model)
    if measured is not None:
        measured = measured.dropna(subset="value")
    row: dict[str, object] = {
        "family": family, "model": model, "claim": claim.name, "statement": claim.statement,
        "criterion": claim.criterion, "quantity": claim.quantity, "unit": claim.unit,
        "paper": claim.paper if family == paper_family() else "",
    }  # fmt: skip
    if measured is None or measured.empty:
        return row | {"verdict": "not run", "seeds": 0, "seeds_met": 0, "measured": ""}
    values, holds = measured["value"], measured["holds"]
    return row | {
        "verdict": "reproduced" if holds.all() else "mixed" if holds.any() else "not reproduced",
        "seeds": len(values),
        "seeds_met": holds.sum(),
        "mean": values.mean(),
        "spread": values.std(ddof=1) if len(values) > 1 else np.nan,
        "minimum": values.min(),
        "maximum": values.max(),
        "measured": _sentence(claim.unit, measured.drop(columns=["value", "holds"])),
    }


def claims_table(tables: Tables, families: Mapping[str, str]) -> pd.DataFrame:
    """Every claim for every pre-trained model, from the tidy tables named in `INPUTS`.

    Args:
        tables: the tidy tables.
        families: model -> label of its family. A family's models stand together, in the order of
            the study's models, the families in the order of their first model.
    """
    models = studied_models(tables)
    order = list(dict.fromkeys(families[model] for model in models))
    models.sort(key=lambda model: order.index(families[model]))
    rows = [judge(claim, model, families[model], tables) for model in models for claim in CLAIMS]
    return pd.DataFrame.from_records(rows, columns=list(TABLES["claims"]))


def _sentence(unit: str, numbers: pd.DataFrame) -> str:
    scale, suffix, digits = (100, " %", 1) if unit == "fraction" else (1, "", 3)
    means = numbers.mean()
    return ", ".join(f"{name} {scale * means[name]:.{digits}f}{suffix}" for name in numbers)
