"""The table of outcomes, and what is computed from it."""

import csv
import json

import pytest

from tangent.evaluation.outcomes import decode


def read(path):
    return json.loads(path.read_text())


def rows_of(study, name):
    with open(study / "tables" / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


def one(rows, **keys):
    found = [row for row in rows if all(row[key] == str(value) for key, value in keys.items())]
    assert len(found) == 1, (keys, len(found))
    return found[0]


def test_outcomes_count_to_the_accuracies_of_the_tables(study):
    """Every accuracy on test images, from its single images."""
    rows = rows_of(study, "outcomes")
    found = {"single_task": 0, "addition": 0, "target": 0, "control": 0}
    tables = {
        "single_task": [row for row in rows_of(study, "single_task") if row["split"] == "test"],
        "addition": rows_of(study, "addition_tasks"),
        "target": rows_of(study, "negation"),
        "control": rows_of(study, "negation"),
    }
    place = ("model", "mode", "seed", "task")
    for name, table in tables.items():
        column = name if name in ("target", "control") else "accuracy"
        accuracies = {tuple(row[key] for key in place): float(row[column]) for row in table}
        for row in rows:
            if row["quantity"] == name:
                assert row["points"] == ""
                correct = decode(row["outcomes"], int(row["n"]))
                assert correct.mean() == pytest.approx(
                    accuracies.pop(tuple(row[key] for key in place))
                )
                expected = "glyphs" if name == "control" else row["task"]
                assert row["dataset"] == expected
                found[name] += 1
        assert not accuracies
    assert min(found.values()) > 0


def test_outcomes_of_heat_maps_are_those_of_the_raw_results(study):
    rows = [row for row in rows_of(study, "outcomes") if row["points"] != ""]
    assert len(rows) == 2 * 3 * 3 * 3 * 2 * 2  # models, modes, seeds, pairs, regions, data sets
    for row in rows:
        pair = row["task"].replace("+", "/")
        path = f"disentanglement/{row['model']}/{row['mode']}/{pair}/seed{row['seed']}/error.json"
        result = read(study / path)
        region = result["disagreements"][row["quantity"]]
        assert row["outcomes"] == region["counts"][row["dataset"]]
        assert (int(row["n"]), int(float(row["points"]))) == (
            result["n"][row["dataset"]],
            region["points"],
        )


def test_the_nonlinear_advantage_stands_beside_posthoc(study):
    rows = rows_of(study, "single_task")
    for row in rows:
        if row["mode"] != "posthoc":
            assert row["nonlinear_advantage"] == ""
            continue
        keys = {key: row[key] for key in ("model", "task", "split", "seed")}
        standard = float(one(rows, mode="standard", **keys)["accuracy"])
        expected = (standard - float(row["accuracy"])) / (1 - 1 / 10)
        assert float(row["nonlinear_advantage"]) == pytest.approx(expected)
