"""A curve over two checkpoints, through Snakemake, against plain arithmetic on the tidy tables."""

import csv
import statistics

import pytest
import yaml
from small_study import MODEL, SEED, TASKS, ship_checkpoint

LATER = "tiny-later"
STEPS = {LATER: 40, MODEL: 0}


@pytest.fixture
def emerged(study):
    """The finished study with a second checkpoint."""
    sha256 = ship_checkpoint(study.folder / "shipped-later", seed=1)
    config = yaml.safe_load((study.folder / "config.yaml").read_text(encoding="utf-8"))
    config["models"] = [MODEL, LATER]
    first = config["pretrained"][MODEL]
    config["pretrained"][LATER] = first | {"folder": "shipped-later", "sha256": sha256}
    config["emergence"] = {"steps": STEPS}
    for section in ("disentanglement", "eigenfunctions"):
        config[section]["models"] = config["models"]
    study.write("config.yaml", config)
    tables = ["single_task", "addition", "disentanglement", "eigenfunctions", "emergence"]
    files = [f"results/tiny/tables/{name}.csv" for name in tables]
    study.snakemake("results/tiny/figures/emergence.svg", *files)
    return study.folder / "results" / "tiny"


def rows(folder, name, **wanted):
    with open(folder / "tables" / f"{name}.csv", newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    return [row for row in found if all(row[key] == str(value) for key, value in wanted.items())]


def mean(found, column):
    return statistics.fmean(float(row[column]) for row in found)


def test_the_curve_is_that_of_the_checkpoints(emerged, results):
    table = rows(emerged, "emergence")
    assert len(table) == 2 * 3
    for row in table:
        place = {"model": row["model"], "seed": SEED}
        assert int(row["step"]) == STEPS[row["model"]]
        of_mode = place | {"mode": row["mode"]}
        before = rows(emerged, "single_task", mode="zero_shot", split="test", **place)
        after = rows(emerged, "single_task", split="test", **of_mode)
        (added,) = rows(emerged, "addition", **of_mode)
        inside = [
            one
            for one in rows(emerged, "disentanglement", **of_mode)
            if max(abs(float(one["alpha_1"])), abs(float(one["alpha_2"]))) <= 1
        ]
        ratios = []
        for task in TASKS:
            energies = rows(emerged, "eigenfunctions", split="test", task=task, **place)
            others = {one["dataset"] for one in energies} - {task}
            means = {
                name: mean([one for one in energies if one["dataset"] == name], "energy")
                for name in (task, *others)
            }
            ratios.append(means[task] / statistics.fmean(means[name] for name in others))
        expected = {
            "zero_shot": mean([one for one in before if one["task"] in TASKS], "accuracy"),
            "single_task": mean(after, "accuracy"),
            "absolute": float(added["absolute"]),
            "normalized": float(added["normalized"]),
            "disentanglement": mean(inside, "error"),
            "localization": statistics.geometric_mean(ratios),
        }
        assert {name: float(row[name]) for name in expected} == pytest.approx(expected)
    checkpoints = {row["localization"] for row in table}
    assert len(checkpoints) == 2
    figure = (emerged / "figures" / "emergence.svg").read_text(encoding="utf-8")
    assert "weight disentanglement" in figure and "random" in figure
    # A study that lists no checkpoints has no such table.
    assert not (results / "tables" / "emergence.csv").exists()
