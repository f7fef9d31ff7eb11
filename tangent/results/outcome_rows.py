"""Test images one by one (outcomes.csv): what intervals and paired comparisons are made from."""

from __future__ import annotations

from collections.abc import Iterator

from tangent.arithmetic.modes import MODES
from tangent.config.schema import Config
from tangent.results.raw import RawFiles

Row = dict[str, object]


def outcome_rows(config: Config, raw: RawFiles) -> Iterator[Row]:
    """Rows of outcomes.csv, each a record of all test images (`tangent.evaluation.outcomes`) of one data set.

    An image's value is whether it is right or, of a heat map, at which share of the `points` inside
    a region its two predictions differ. A grid without a point in a region has no such rows.
    """
    for model in config.all_models:
        for seed in config.seeds:
            yield from _zero_shot(config, raw, model, seed)
            for mode in MODES:
                yield from _single_tasks(config, raw, model, mode, seed)
                yield from _addition(config, raw, model, mode, seed)
                if not config.is_random(model):
                    yield from _negation(config, raw, model, mode, seed)
                for pair in config.pairs_of(model):
                    yield from _heat_map(raw, model, mode, pair, seed)


def _row(
    model: str, mode: str, seed: int, quantity: str, task: str, dataset: str,
    n: int, outcomes: str, points: int | None = None,
) -> Row:  # fmt: skip
    return {
        "model": model, "mode": mode, "seed": seed, "quantity": quantity, "task": task,
        "dataset": dataset, "n": n, "points": points, "outcomes": outcomes,
    }  # fmt: skip


def _zero_shot(config: Config, raw: RawFiles, model: str, seed: int) -> Iterator[Row]:
    tasks = raw.json("zero_shot", f"zero_shot/{model}/seed{seed}/zero_shot.json")["tasks"]
    for task in (*config.tasks_of(model), config.control):
        test = tasks[task]["test"]
        yield _row(model, "zero_shot", seed, "single_task", task, task, test["n"], test["outcomes"])


def _single_tasks(config: Config, raw: RawFiles, model: str, mode: str, seed: int) -> Iterator[Row]:
    for task in config.tasks_of(model):
        path = f"single_task/{model}/{mode}/{task}/seed{seed}/accuracy.json"
        test = raw.json("single_task", path)["test"]
        yield _row(model, mode, seed, "single_task", task, task, test["n"], test["outcomes"])


def _addition(config: Config, raw: RawFiles, model: str, mode: str, seed: int) -> Iterator[Row]:
    tasks = raw.json("addition", f"addition/{model}/{mode}/seed{seed}/result.json")["tasks"]
    for task in config.tasks_of(model):
        added = tasks[task]
        yield _row(model, mode, seed, "addition", task, task, added["n"], added["outcomes"])


def _negation(config: Config, raw: RawFiles, model: str, mode: str, seed: int) -> Iterator[Row]:
    for task in config.tasks:
        path = f"negation/{model}/{mode}/{task}/seed{seed}/result.json"
        result = raw.json("negation", path)
        for quantity, dataset in (("target", task), ("control", config.control)):
            n, outcomes = result[f"n_{quantity}"], result[f"outcomes_{quantity}"]
            yield _row(model, mode, seed, quantity, task, dataset, n, outcomes)


def _heat_map(raw: RawFiles, model: str, mode: str, pair: list[str], seed: int) -> Iterator[Row]:
    path = f"disentanglement/{model}/{mode}/{pair[0]}/{pair[1]}/seed{seed}/error.json"
    result = raw.json("disentanglement", path)
    for region in ("search_box", "whole_grid"):
        found = result["disagreements"][region]
        for task in pair if found["points"] else ():
            yield _row(
                *(model, mode, seed, region, "+".join(pair), task, result["n"][task]),
                *(found["counts"][task], found["points"]),
            )
