"""The paper's claims as statements with a criterion each, and whether a study reproduces them.

A criterion is the same for every study and part of the table: nobody has to trust an adjective. A
95 % interval of its quantity, against its threshold, gives the verdict.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from tangent.results import measure
from tangent.results.claims_text import claims_as_table
from tangent.results.intervals import Measurement, joint_verdict
from tangent.results.paper_numbers import paper_difference, paper_numbers
from tangent.results.render import decimal, to_markdown
from tangent.results.sampled import NotRun
from tangent.results.studied import Tables, modes_in, studied_models


class Claim(NamedTuple):
    """One testable statement.

    Attributes:
        name: identifier in claims.csv.
        statement: what the paper claims, in words.
        criterion: when the claim holds, in words.
        quantity: what `measure` measures first.
        measure: (tables, model, *modes) -> the parts of the criterion, all of which must hold.
        modes: that it compares; a study without one of them has no such claim.
        over: the unit that the quantity is a mean over: `task`, `pair`, `kernel`.
        unit: `fraction` (of test examples; texts write it in percent), or what texts write behind
            the number.
        paper: the paper's own numbers as text, of its models' family; empty where we know none.
    """

    name: str
    statement: str
    criterion: str
    quantity: str
    measure: Callable[..., measure.Parts]
    modes: tuple[str, ...] = ()
    over: str = "task"
    unit: str = "fraction"
    paper: str = ""


def _addition(name: str, statement: str, column: str, first: str, second: str) -> Claim:
    """A claim that `first` beats `second` in task addition, by one of table 1's columns."""
    measured, word, mean = {
        "absolute": (partial(measure.accuracy, of="addition"), "absolute", "mean test"),
        "normalized": (measure.addition_normalized, "normalised", "normalised test"),
    }[column]
    return Claim(
        name,
        statement,
        f"{word} accuracy of {first} − {second} > 0",
        f"difference of {mean} accuracy, {first} − {second}",
        measured,
        modes=(first, second),
        paper=paper_difference("addition", column, first, second),
    )


CLAIMS: tuple[Claim, ...] = (
    _addition(
        "linear_addition_absolute",
        "Linear beats standard in task addition, absolute accuracy",
        *("absolute", "linear", "standard"),
    ),
    _addition(
        "linear_addition_normalized",
        "Linear beats standard in task addition, normalised accuracy",
        *("normalized", "linear", "standard"),
    ),
    Claim(
        "linear_negation",
        "Linear forgets more of the target task at the same control accuracy",
        "target accuracy of standard − linear > 0, and control accuracy of linear less than "
        f"{100 * measure.CONTROL_TOLERANCE:g} percentage point below standard's",
        "difference of mean target test accuracy, standard − linear",
        measure.negation,
        modes=("standard", "linear"),
        paper=paper_difference("negation", "target", "standard", "linear"),
    ),
    _addition(
        "posthoc_addition_absolute",
        "The tangent kernel alone does not explain task arithmetic: posthoc adds worse",
        *("absolute", "standard", "posthoc"),
    ),
    _addition(
        "linear_posthoc_addition",
        "Linear beats posthoc in task addition, absolute accuracy",
        *("absolute", "linear", "posthoc"),
    ),
    _addition(
        "posthoc_addition_normalized",
        "Post-hoc linearization gains normalised accuracy in task addition",
        *("normalized", "posthoc", "standard"),
    ),
    Claim(
        "posthoc_single_task",
        "Post-hoc linearization loses single-task accuracy",
        "single-task accuracy of standard − posthoc > 0",
        "difference of mean single-task test accuracy, standard − posthoc",
        partial(measure.accuracy, of="single_task"),
        modes=("standard", "posthoc"),
    ),
    Claim(
        "nonlinear_advantage",
        "Fine-tuning has a non-linear advantage, also against guessing",
        "(accuracy of standard − posthoc) / (1 − 1/C) > 0, C the task's number of classes",
        "difference of single-task test accuracy / (1 − 1/C), standard − posthoc",
        measure.nonlinear_advantage,
        modes=("standard", "posthoc"),
    ),
    Claim(
        "linear_single_task",
        "Linear fine-tuning stays close to standard in single tasks",
        f"single-task accuracy of standard − linear < {100 * measure.CLOSE:g} percentage points",
        "difference of mean single-task test accuracy, standard − linear",
        partial(measure.accuracy, of="single_task", threshold=measure.CLOSE, below=True),
        modes=("standard", "linear"),
        paper=paper_difference("single_task", "accuracy", "standard", "linear"),
    ),
    *(
        Claim(
            f"{mode}_disentanglement_{region}",
            f"The disentanglement error ξ is smaller for {mode}, {where}",
            "mean ξ of standard − " + mode + " > 0",
            f"difference of mean ξ (in [0, 2]) over the {where} and the pairs, standard − {mode}",
            partial(measure.disentanglement, region=region),
            modes=("standard", mode),
            over="pair",
            unit="ξ",
        )
        for region, where in (("search_box", "search box [−1, 1]²"), ("whole_grid", "whole grid"))
        for mode in ("posthoc", "linear")
    ),
    Claim(
        "eigenfunctions_localized",
        "The kernel's leading eigenfunctions are localized on its task",
        "ratio of mean local energies, held-out examples of the task / mean of the other data "
        f"sets, geometric mean over the kernels: above {measure.LOCALIZED:g}",
        "ratio of mean local energies, task / other data sets",
        measure.localization,
        over="kernel",
        unit="×",
    ),
    Claim(
        "proposition1",
        "Tasks regressed with the model's kernel can be added (proposition 1)",
        "squared norm of the sum of the other tasks' functions on a task's examples / that of its "
        "own function, geometric mean over the tasks, at coupling 1: below 1",
        "ratio of squared norms, others / own",
        measure.proposition1,
        unit="×",
    ),
    Claim(
        "random_single_task",
        "From a random initialisation single tasks are still learnt",
        "standard fine-tuning from a random initialisation makes more than half of the way from "
        "its accuracy at initialisation to the pre-trained model's fine-tuned accuracy, same tasks",
        "share of the way made",
        measure.random_single_task,
        modes=("standard",),
        unit="of the way",
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
            measure.random_gain,
            modes=(mode,),
            unit="of the gain",
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
        over="kernel",
        unit="×",
    ),
)


def judge(claim: Claim, model: str, family: str, tables: Tables) -> dict[str, object]:
    """One row of claims.csv: `claim` for `model`, one of `family` (a label).

    `verdict` is `reproduced` if the interval for these units is wholly on the claim's side of the
    threshold, `not reproduced` if it is wholly on the other, `undecided` if it holds the threshold,
    `not run` if there are no results to judge. Of several parts, all must be reproduced, and one
    that is refuted refutes the claim.
    """
    of_paper = paper_numbers()["family"]
    row: dict[str, object] = {
        "family": family, "model": model, "claim": claim.name, "statement": claim.statement,
        "criterion": claim.criterion, "quantity": claim.quantity, "unit": claim.unit,
        "unit_name": claim.over,
        "paper": claim.paper if family == of_paper else "",
    }  # fmt: skip
    try:
        parts = claim.measure(tables, model, *claim.modes)
    except NotRun:
        return row | {
            "verdict": "not run", "units": 0, "seeds": 0, "seeds_met": 0, "covers": "",
            "measured": "",
        }  # fmt: skip
    first = parts[0]
    values = first.shown(first.quantity.value)
    low, high = first.ends(first.of_these_units())
    low_other, high_other = first.ends(first.of_other_units())
    return row | {
        "verdict": joint_verdict(parts),
        "units": first.units,
        "seeds": first.seeds,
        "seeds_met": int(np.all([part.met for part in parts], axis=0).sum()),
        "mean": first.shown(first.quantity.value.mean()),
        "low": low,
        "high": high,
        "covers": "seeds and images" if first.seeds > 1 else "images alone: one seed",
        "low_other": low_other,
        "high_other": high_other,
        "spread": values.std(ddof=1) if len(values) > 1 else np.nan,
        "minimum": values.min(),
        "maximum": values.max(),
        "measured": _sentence(claim.unit, parts),
    }


def derive(tables: Tables, families: Mapping[str, str]) -> Iterator[dict[str, object]]:
    """Rows of claims.csv: every claim about the study's modes, for every pre-trained model.

    Args:
        tables: the tidy tables that `TABLES` names for it.
        families: model -> label of its family. A family's models stand together, in the order of
            the study's models, the families in the order of their first model.
    """
    models = studied_models(tables, ("outcomes", "eigenfunctions"))
    order = list(dict.fromkeys(families[model] for model in models))
    models.sort(key=lambda model: order.index(families[model]))
    modes = set(modes_in(tables["single_task"]))
    claims = [claim for claim in CLAIMS if modes.issuperset(claim.modes)]
    for model in models:
        yield from (judge(claim, model, families[model], tables) for claim in claims)


def as_markdown(table: pd.DataFrame) -> str:
    """claims.csv for a person to read."""
    return to_markdown(claims_as_table(table))


def _sentence(unit: str, parts: Sequence[Measurement]) -> str:
    """The numbers behind the first part, and the interval of each other one."""
    scale, suffix, digits = (100, " %", 1) if unit == "fraction" else (1, "", 3)

    def text(value: float) -> str:
        return decimal(scale * value, digits)

    said = [f"{name} {text(of.mean())}{suffix}" for name, of in parts[0].numbers.items()]
    for part in parts[1:]:
        ends = " to ".join(map(text, part.ends(part.of_these_units())))
        said.append(f"{part.label} {ends}{suffix}")
    return ", ".join(said)
