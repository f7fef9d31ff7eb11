"""Tidy tables from raw results: one observation a row, accuracies as fractions in [0, 1].

Every table reads exactly the files that the study's configuration implies; nothing is globbed, so a
leftover of an older configuration cannot slip into a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from tangent.arithmetic.modes import MODES
from tangent.config.schema import SUM, Config
from tangent.jobs import files
from tangent.jobs.errors import UserError
from tangent.results.columns import COLLECTED, TABLES
from tangent.results.emergence_table import emergence_rows
from tangent.results.learning_rate_table import learning_rate_rows
from tangent.results.outcome_rows import outcome_rows
from tangent.results.random_init import random_init_rows
from tangent.results.rate_sensitivity_table import rate_sensitivity_rows
from tangent.results.raw import RawFiles, Result

Row = dict[str, object]


def collect(
    config: Config, raw: RawFiles, names: Sequence[str] = COLLECTED
) -> dict[str, pd.DataFrame]:
    """Read the raw results that the tables `names` of the study `config` need.

    Returns:
        table name -> table.

    Raises:
        UserError: a table is unknown, or a raw file is missing or unreadable; the message names it
            and its rule.
    """
    for name in names:
        if name not in _READERS:
            raise UserError(f"there is no tidy table {name!r}: they are {', '.join(_READERS)}.")
    return {name: _table(name, config, raw) for name in names}


def _table(name: str, config: Config, raw: RawFiles) -> pd.DataFrame:
    rows = list(_READERS[name](config, raw))
    return pd.DataFrame.from_records(rows, columns=list(TABLES[name]))


def write_tables(tables: dict[str, pd.DataFrame], folder: Path) -> None:
    """Write every table as `folder`/NAME.csv, numbers in full precision."""
    for name, table in tables.items():
        files.write_text(folder / f"{name}.csv", table.to_csv(index=False, lineterminator="\n"))


def _single_task(config: Config, raw: RawFiles) -> Iterator[Row]:
    for model in config.all_models:
        for seed in config.seeds:
            path = f"zero_shot/{model}/seed{seed}/zero_shot.json"
            accuracies = raw.json("zero_shot", path)["tasks"]
            for task in (*config.tasks_of(model), config.control):
                yield from _both_splits(accuracies[task], model, "zero_shot", task, seed)
            for mode in MODES:
                for task in config.tasks_of(model):
                    result = _single_task_result(raw, model, mode, task, seed)
                    rows = list(_both_splits(result, model, mode, task, seed))
                    if mode == "posthoc":
                        standard = _single_task_result(raw, model, "standard", task, seed)
                        for row in rows:
                            lost = standard[row["split"]]["accuracy"] - row["accuracy"]
                            row["nonlinear_advantage"] = lost / (1 - 1 / row["classes"])
                    yield from rows


def _single_task_result(raw: RawFiles, model: str, mode: str, task: str, seed: int) -> Result:
    path = f"single_task/{model}/{mode}/{task}/seed{seed}/accuracy.json"
    return raw.json("single_task", path)


def _both_splits(result, model: str, mode: str, task: str, seed: int) -> Iterator[Row]:
    for split in ("validation", "test"):
        yield {
            "model": model, "mode": mode, "task": task, "split": split, "seed": seed,
        } | {name: result[split][name] for name in ("accuracy", "n", "classes")}  # fmt: skip


def _alpha_sweep(config: Config, raw: RawFiles) -> Iterator[Row]:
    columns = ("alpha", "task", "split", "accuracy", "normalized")
    for model in config.all_models:
        # No negation from a random initialisation: there is nothing to forget.
        negated = [] if config.is_random(model) else config.tasks
        for mode in MODES:
            for seed in config.seeds:
                for vector in (SUM, *negated):
                    operation = "addition" if vector == SUM else "negation"
                    path = f"alpha/{model}/{mode}/{vector}/seed{seed}/sweep.csv"
                    for row in raw.csv(f"validate_{operation}", path, columns):
                        yield {
                            "model": model, "mode": mode, "operation": operation,
                            "task": row["task"], "split": row["split"], "seed": seed,
                            "alpha": float(row["alpha"]), "accuracy": float(row["accuracy"]),
                            "normalized": float(row["normalized"]),
                            "target": "all" if vector == SUM else vector,
                        }  # fmt: skip


def _addition(config: Config, raw: RawFiles) -> Iterator[Row]:
    for model in config.models:
        for mode in MODES:
            for seed in config.seeds:
                result = raw.json("addition", f"addition/{model}/{mode}/seed{seed}/result.json")
                yield {"model": model, "mode": mode, "seed": seed} | {
                    name: result[name] for name in ("alpha", "absolute", "normalized")
                }


def _addition_tasks(config: Config, raw: RawFiles) -> Iterator[Row]:
    for model in config.all_models:
        for mode in MODES:
            for seed in config.seeds:
                result = raw.json("addition", f"addition/{model}/{mode}/seed{seed}/result.json")
                for task in config.tasks_of(model):
                    yield {
                        "model": model, "mode": mode, "task": task, "seed": seed,
                        "alpha": result["alpha"],
                    } | {
                        name: result["tasks"][task][name]
                        for name in ("accuracy", "normalized", "n")
                    }  # fmt: skip


def _negation(config: Config, raw: RawFiles) -> Iterator[Row]:
    given = ("model", "mode", "task", "seed", "control_threshold")
    for model in config.models:
        for mode in MODES:
            for task in config.tasks:
                for seed in config.seeds:
                    path = f"negation/{model}/{mode}/{task}/seed{seed}/result.json"
                    result = raw.json("negation", path)
                    yield {
                        "model": model, "mode": mode, "task": task, "seed": seed,
                        "control_threshold": config.negation.control_threshold,
                    } | {
                        name: result[name] for name in TABLES["negation"] if name not in given
                    }  # fmt: skip


def _disentanglement(config: Config, raw: RawFiles) -> Iterator[Row]:
    columns = ("alpha_1", "alpha_2", "error")
    for model in config.models:
        for mode in MODES:
            for task_1, task_2 in config.pairs_of(model):
                for seed in config.seeds:
                    path = f"disentanglement/{model}/{mode}/{task_1}/{task_2}/seed{seed}/error.csv"
                    for row in raw.csv("disentanglement", path, columns):
                        yield {
                            "model": model, "mode": mode, "task_1": task_1, "task_2": task_2,
                            "seed": seed,
                        } | {name: float(row[name]) for name in columns}  # fmt: skip


def _eigenfunctions(config: Config, raw: RawFiles) -> Iterator[Row]:
    columns = ("dataset", "split", "logit", "image", "energy")
    for model, task, seed, folder in _kernels(config):
        for row in raw.csv("eigenfunctions", f"{folder}/energies.csv", columns):
            yield {
                "model": model, "task": task, "dataset": row["dataset"], "split": row["split"],
                "seed": seed, "logit": _logit(row["logit"]), "image": int(row["image"]),
                "energy": float(row["energy"]),
            }  # fmt: skip


def _eigenvalues(config: Config, raw: RawFiles) -> Iterator[Row]:
    columns = ("logit", "component", "eigenvalue")
    for model, task, seed, folder in _kernels(config):
        settings = raw.json("eigenfunctions", f"{folder}/eigenfunctions.json")
        for row in raw.csv("eigenfunctions", f"{folder}/spectrum.csv", columns):
            yield {
                "model": model, "task": task, "seed": seed, "images": settings["images"],
                "components": settings["components"], "logit": _logit(row["logit"]),
                "component": int(row["component"]), "eigenvalue": float(row["eigenvalue"]),
            }  # fmt: skip


def _logit(text: str) -> int | str:
    """A kernel's logit, or `all` for a kernel of all of them."""
    return text if text == "all" else int(text)


def _kernels(config: Config) -> Iterator[tuple[str, str, int, str]]:
    for model in config.all_models:
        for task in config.eigenfunction_tasks_of(model):
            for seed in config.seeds:
                yield model, task, seed, f"eigenfunctions/{model}/{task}/seed{seed}"


def _proposition1(config: Config, raw: RawFiles) -> Iterator[Row]:
    columns = ("coupling", "localization", "interference")
    for model in config.eigenfunctions.models:
        for seed in config.seeds:
            path = f"proposition1/{model}/seed{seed}/interference.csv"
            for row in raw.csv("proposition1", path, columns):
                yield {"model": model, "seed": seed} | {name: float(row[name]) for name in columns}


def _proposition1_functions(config: Config, raw: RawFiles) -> Iterator[Row]:
    columns = ("task", "image", "own", "others")
    for model in config.eigenfunctions.models:
        for seed in config.seeds:
            path = f"proposition1/{model}/seed{seed}/functions.csv"
            for row in raw.csv("proposition1", path, columns):
                yield {
                    "model": model, "seed": seed, "task": row["task"], "image": int(row["image"]),
                    "own": float(row["own"]), "others": float(row["others"]),
                }  # fmt: skip


def _random_init(config: Config, raw: RawFiles) -> Iterator[Row]:
    single_task, addition = (_table(name, config, raw) for name in ("single_task", "addition"))
    return random_init_rows(config, raw, single_task, addition)


def _emergence(config: Config, raw: RawFiles) -> Iterator[Row]:
    names = ("single_task", "addition", "disentanglement", "eigenfunctions")
    return emergence_rows(config, {name: _table(name, config, raw) for name in names})


def _rate_sensitivity(config: Config, raw: RawFiles) -> Iterator[Row]:
    names = ("single_task", "addition")
    return rate_sensitivity_rows(config, {name: _table(name, config, raw) for name in names})


def _subsets(config: Config, raw: RawFiles) -> Iterator[Row]:
    for place, result in _combinations(config, raw):
        for entry in result["subsets"]:
            yield (
                place
                | {"size": len(entry["tasks"]), "subset": "+".join(entry["tasks"])}
                | {name: entry[name] for name in ("alpha", "absolute", "normalized")}
            )


def _per_task_alpha(config: Config, raw: RawFiles) -> Iterator[Row]:
    given = ("model", "mode", "task", "seed")
    for place, result in _combinations(config, raw):
        for task in config.tasks:
            entry = result["per_task_alpha"][task]
            yield (
                place
                | {"task": task}
                | {name: entry[name] for name in TABLES["per_task_alpha"] if name not in given}
            )


def _analogies(config: Config, raw: RawFiles) -> Iterator[Row]:
    for place, result in _combinations(config, raw):
        for entry in result["analogies"]:
            yield place | {name: entry[name] for name in TABLES["analogies"] if name not in place}


def _combinations(config: Config, raw: RawFiles) -> Iterator[tuple[Row, Result]]:
    for model in config.combinations.models:
        for mode in (name for name, mode in MODES.items() if mode.evaluated_as == "linearized"):
            for seed in config.seeds:
                path = f"combinations/{model}/{mode}/seed{seed}/result.json"
                place = {"model": model, "mode": mode, "seed": seed}
                yield place, raw.json("evaluate_combinations", path)


_READERS: dict[str, Callable[[Config, RawFiles], Iterator[Row]]] = {
    "learning_rates": learning_rate_rows,
    "single_task": _single_task,
    "alpha_sweep": _alpha_sweep,
    "addition": _addition,
    "addition_tasks": _addition_tasks,
    "negation": _negation,
    "disentanglement": _disentanglement,
    "eigenfunctions": _eigenfunctions,
    "eigenvalues": _eigenvalues,
    "random_init": _random_init,
    "proposition1": _proposition1,
    "emergence": _emergence,
    "proposition1_functions": _proposition1_functions,
    "outcomes": outcome_rows,
    "rate_sensitivity": _rate_sensitivity,
    "subsets": _subsets,
    "per_task_alpha": _per_task_alpha,
    "analogies": _analogies,
}
