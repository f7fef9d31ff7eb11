"""The registry of tidy tables: columns, in order, and what each is made from.

columns.yaml holds them; `python -m tangent.results.columns` writes docs/tables.md from it. Planning
reads this: no pandas here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tangent.arithmetic.modes import MODES
from tangent.jobs.files import write_text

if TYPE_CHECKING:
    from tangent.config.schema import Config


@dataclass(frozen=True, kw_only=True)
class TidyTable:
    """A tidy table, as columns.yaml explains it; `columns` are their names and meanings.

    Attributes:
        settings: what `derive` also needs of the configuration, as JSON has it.
        when: whether a study has the table.
    """

    about: str
    columns: Mapping[str, str]
    results: Sequence[str] = ()
    order: Sequence[str] = ()
    tables: Sequence[str] = ()
    settings: Callable[[Config], dict[str, Any]] = lambda config: {}
    when: Callable[[Config], Any] = lambda config: True


def _rates(config: Config) -> dict[str, Any]:
    """Model -> mode -> the learning rate of the mode's training."""
    return {
        model: {
            mode: config.learning_rate_of(model, MODES[mode].trained_as) for mode in config.modes
        }
        for model in config.rate_sensitivity.models
    }


_COMBINED = {"when": lambda config: config.combined_models}
_OF_CONFIG = {
    "learning_rates": {"when": lambda config: config.searches},
    "emergence": {
        "settings": lambda config: {
            "steps": {model: config.emergence.steps[model] for model in config.emergence.models}
        },
        "when": lambda config: config.emergence.models,
    },
    "rate_sensitivity": {
        "settings": lambda config: {"rates": _rates(config)},
        "when": lambda config: config.rate_sensitivity.models,
    },
    "merging": {"when": lambda config: config.merging[1:]},
    "comparison": {"settings": lambda config: {"modes": config.modes}},
    "subsets": _COMBINED,
    "per_task_alpha": _COMBINED,
    "analogies": _COMBINED,
}
_FILE = Path(__file__).with_name("columns.yaml")
TABLES = {
    name: TidyTable(**entry, **_OF_CONFIG.get(name, {}))
    for name, entry in yaml.safe_load(_FILE.read_text(encoding="utf-8")).items()
}
"""Name of each tidy table -> its entry."""

(COMBINATIONS,) = TABLES["subsets"].results

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
            "linearized": config.linearized_modes,
            "merging": config.merging,
            "first": config.merging[:1],
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
            "trained": config.tuned_tasks(model, training),
            "tuning_seed": [config.tuning_seed],
        }


PAGE = Path(__file__).resolve().parents[2] / "docs" / "tables.md"


def page() -> str:
    """docs/tables.md in Markdown: a section per table."""
    text = """# Tables and their columns

<!-- Generated by `make docs` from tangent/results/columns.yaml; edit that. -->

What the conventions are: [results.md](results.md).
"""
    for name, table in TABLES.items():
        text += f"\n## `{name}.csv`\n\n{table.about}\n\n| column | meaning |\n|---|---|\n"
        for column, meaning in table.columns.items():
            text += f"| `{column}` | {meaning.replace('|', chr(92) + '|')} |\n"
    return text


if __name__ == "__main__":
    write_text(PAGE, page())
