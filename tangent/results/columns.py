"""The registry of tidy tables: columns, in order, and what each is made from.

columns.yaml says what columns mean. Planning reads this: no pandas here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tangent.arithmetic.modes import MODES

if TYPE_CHECKING:
    from tangent.config.schema import Config

# Raw results, below a study's folder; `_places` says what the names in braces stand for.
ZERO_SHOT = "zero_shot/{model}/seed{seed}/zero_shot.json"
SINGLE_TASK = "single_task/{model}/{mode}/{task}/seed{seed}/accuracy.json"
ADDITION = "addition/{model}/{mode}/{first}/seed{seed}/result.json"
NEGATION = "negation/{pretrained}/{mode}/{task}/seed{seed}/result.json"
HEAT_MAP = "disentanglement/{model}/{mode}/{pair}/seed{seed}/"
KERNEL = "eigenfunctions/{model}/{kernel}/seed{seed}/"
PROPOSITION_1 = "proposition1/{checked}/seed{seed}/"
COMBINATIONS = "combinations/{combined}/{linearized}/seed{seed}/result.json"
SEARCH = "learning_rates/{tuned}/{training}/"


@dataclass(frozen=True, kw_only=True)
class TidyTable:
    """A tidy table: the concatenation of raw results, or computed from other tables.

    Attributes:
        results: patterns of the raw results that it concatenates.
        order: columns by whose values, in the order in which they first come, rows are sorted.
        tables: the tidy tables that it is computed from, by `tangent.results.NAME_table`.
        settings: what this also needs of the configuration, as JSON has it.
        when: whether a study has the table.
        about: what it is, for docs/tables.md.
        columns: their names, in order.
        meanings: what each holds.
    """

    results: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    settings: Callable[[Config], dict[str, Any]] = lambda config: {}
    when: Callable[[Config], Any] = lambda config: True
    about: str = ""
    columns: tuple[str, ...] = ()
    meanings: tuple[str, ...] = ()


_MADE = {
    "learning_rates": TidyTable(
        results=(
            f"{SEARCH}seed{{tuning_seed}}/chosen.json",
            f"{SEARCH}{{rate}}/{{trained}}/seed{{tuning_seed}}/accuracy.json",
        ),
        when=lambda config: config.searches,
    ),
    "single_task": TidyTable(
        results=(ZERO_SHOT, SINGLE_TASK),
        order=("model", "seed"),
    ),
    "alpha_sweep": TidyTable(
        results=(
            "alpha/{model}/{mode}/{first}/seed{seed}/sweep.csv",
            "alpha/{pretrained}/{mode}/{task}/seed{seed}/sweep.csv",
        ),
        order=("model", "mode", "seed"),
    ),
    "addition": TidyTable(
        results=("addition/{pretrained}/{mode}/{first}/seed{seed}/result.json",),
    ),
    "merging": TidyTable(
        results=("addition/{pretrained}/{mode}/{merging}/seed{seed}/result.json",),
        when=lambda config: len(config.merging) > 1,
    ),
    "addition_tasks": TidyTable(
        results=(ADDITION,),
    ),
    "negation": TidyTable(
        results=(NEGATION,),
    ),
    "disentanglement": TidyTable(
        results=(f"{HEAT_MAP}error.csv",),
    ),
    "eigenfunctions": TidyTable(
        results=(f"{KERNEL}energies.csv",),
    ),
    "eigenvalues": TidyTable(
        results=(f"{KERNEL}spectrum.csv",),
    ),
    "random_init": TidyTable(
        tables=("single_task", "addition", "addition_tasks"),
    ),
    "proposition1": TidyTable(
        results=(f"{PROPOSITION_1}interference.csv",),
    ),
    "proposition1_functions": TidyTable(
        results=(f"{PROPOSITION_1}functions.csv",),
    ),
    "outcomes": TidyTable(
        results=(ZERO_SHOT, SINGLE_TASK, ADDITION, NEGATION, f"{HEAT_MAP}error.json"),
        order=("model", "seed", "mode"),
    ),
    "emergence": TidyTable(
        tables=("single_task", "addition", "disentanglement", "eigenfunctions"),
        settings=lambda config: {
            "steps": {model: config.emergence.steps[model] for model in config.emergence.models}
        },
        when=lambda config: config.emergence.models,
    ),
    "rate_sensitivity": TidyTable(
        tables=("single_task", "addition"),
        settings=lambda config: {
            "rates": {
                model: {
                    name: config.learning_rate_of(model, MODES[name].trained_as)
                    for name in config.modes
                }
                for model in config.rate_sensitivity.models
            }
        },
        when=lambda config: config.rate_sensitivity.models,
    ),
    "subsets": TidyTable(
        results=(COMBINATIONS,),
        when=lambda config: config.combined_models,
    ),
    "per_task_alpha": TidyTable(
        results=(COMBINATIONS,),
        when=lambda config: config.combined_models,
    ),
    "analogies": TidyTable(
        results=(COMBINATIONS,),
        when=lambda config: config.combined_models,
    ),
    "claims": TidyTable(
        tables=("outcomes", "single_task", "eigenfunctions", "proposition1_functions"),
    ),
    "comparison": TidyTable(
        tables=("single_task", "addition", "negation"),
    ),
}  # fmt: skip

_DESCRIBED = yaml.safe_load(Path(__file__).with_name("columns.yaml").read_text(encoding="utf-8"))
TABLES = {
    name: replace(
        table,
        about=_DESCRIBED[name]["about"],
        columns=tuple(_DESCRIBED[name]["columns"]),
        meanings=tuple(_DESCRIBED[name]["columns"].values()),
    )
    for name, table in _MADE.items()
}
"""Name of each tidy table -> its entry."""

_TEXT = {
    "family", "model", "mode", "task", "split", "operation", "dataset", "task_1", "task_2",
    "initialization", "claim", "statement", "criterion", "verdict", "quantity", "unit", "measured",
    "table", "within", "subset", "a", "b", "c", "d", "outcomes", "training", "unit_name", "covers",
    "merging",
}  # fmt: skip
# Numbers in other tables.
_TEXT_HERE = {"alpha_sweep": {"target"}, "claims": {"paper"}}


def text_columns(name: str) -> set[str]:
    """The columns of a table that hold text; in the others are numbers, some of them empty."""
    return (_TEXT | _TEXT_HERE.get(name, set())).intersection(TABLES[name].columns)


def tables_of(config: Config) -> list[str]:
    """The tidy tables of a study."""
    return [name for name, table in TABLES.items() if table.when(config)]


def raw_results(config: Config, name: str) -> list[str]:
    """The raw results that a tidy table concatenates, in order, as paths below the study's folder.

    They are all that the configuration implies, whatever else lies there: a leftover of an older
    configuration cannot slip into a table.
    """
    return [
        pattern.format(**dict(zip(names, values, strict=True)))
        for place in _places(config)
        for pattern in TABLES[name].results
        for names in [[name for name in place if f"{{{name}}}" in pattern]]
        if pattern.count("{") == len(names)
        for values in itertools.product(*(place[name] for name in names))
    ]


def _places(config: Config) -> Iterator[dict[str, list[Any]]]:
    """Values of what stands in braces: of each model, and of each search for a learning rate."""
    for model in config.all_models:
        # From a random initialisation nothing is negated: there is nothing to forget.
        is_random = config.is_random(model)
        yield {
            "model": [model],
            "pretrained": [] if is_random else [model],
            "checked": [model] if model in config.eigenfunctions.models else [],
            "combined": [model] if model in config.combined_models else [],
            "mode": config.modes,
            "merging": config.merging,
            "first": config.merging[:1],
            "linearized": config.linearized_modes,
            "task": config.tasks_of(model),
            "pair": ["/".join(pair) for pair in config.pairs_of(model)],
            "kernel": config.eigenfunction_tasks_of(model),
            "seed": config.seeds,
        }
    for model, training in config.searches:
        yield {
            "tuned": [model],
            "training": [training],
            "rate": config.rate_grid(model, training),
            "trained": config.trained_tasks(model, training),
            "tuning_seed": [config.tuning_seed],
        }
