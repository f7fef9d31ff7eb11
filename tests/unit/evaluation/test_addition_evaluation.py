"""Task addition: sweeps against brute force, the choice of α, and what may influence it."""

from __future__ import annotations

import shutil
from pathlib import Path
from statistics import fmean

import pytest

from tangent.evaluation.outcomes import encode
from tangent.jobs.errors import UserError

GRID = ("--alphas", 0, 0.25, 0.5, 0.75, 1)
ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)


def validate(study, mode: str, output: Path, *flags: object) -> tuple[dict, list[dict[str, str]]]:
    study.evaluate(
        *("validate_addition", mode, *common(study, mode), *GRID, "--output-dir", output, *flags),
        vectors=("sum",),
    )
    return study.json(str(output / "alpha.json")), study.csv(str(output / "sweep.csv"))


def common(study, mode: str) -> list[object]:
    single_task = (f"{t}={study.root}/single_task/{mode}/{t}.json" for t in study.tasks)
    return ["--merging", "sum", "--tasks", *study.tasks, "--single-task", *single_task]


@pytest.mark.parametrize("mode", ["standard", "linear"])
def test_curves_equal_brute_force_and_alpha_is_the_best_of_them(study, mode, tmp_path):
    chosen, sweep = validate(study, mode, tmp_path)
    assert len(sweep) == len(ALPHAS) * len(study.tasks)
    means = dict.fromkeys(ALPHAS, 0.0)
    for row in sweep:
        alpha, task = float(row["alpha"]), row["task"]
        accuracy = study.oracle_accuracy(mode, {"sum": alpha}, task, "validation")
        reference = study.oracle_accuracy(mode, {task: 1.0}, task, "validation")
        assert row["split"] == "validation"
        assert float(row["accuracy"]) == pytest.approx(accuracy)
        assert float(row["normalized"]) == pytest.approx(accuracy / reference)
        means[alpha] += accuracy / reference / len(study.tasks)
    best = max(means.values())
    assert chosen["alpha"] == min(a for a, mean in means.items() if mean > best - 1e-12)
    assert chosen["operation"] == "addition"
    assert (chosen["vector"], chosen["mode"], chosen["split"]) == ("sum", mode, "validation")


@pytest.mark.parametrize("mode", ["standard", "linear"])
def test_the_result_is_the_test_accuracy_at_the_chosen_alpha(study, mode, tmp_path):
    chosen, _ = validate(study, mode, tmp_path)
    flags = ("--alpha", tmp_path / "alpha.json", "--output", tmp_path / "result.json")
    study.evaluate("addition", mode, *common(study, mode), *flags, vectors=("sum",))
    result = study.json(str(tmp_path / "result.json"))
    assert result["alpha"] == chosen["alpha"]
    absolute, ratios = [], []
    for task in study.tasks:
        accuracy = study.oracle_accuracy(mode, {"sum": chosen["alpha"]}, task, "test")
        absolute.append(accuracy)
        ratios.append(accuracy / study.oracle_accuracy(mode, {task: 1.0}, task, "test"))
        assert result["tasks"][task]["accuracy"] == pytest.approx(accuracy)
        assert result["tasks"][task]["normalized"] == pytest.approx(ratios[-1])
        assert result["tasks"][task]["n"] == len(study.labels(task, "test"))
        right = study.right(mode, {"sum": chosen["alpha"]}, task, "test")
        assert result["tasks"][task]["outcomes"] == encode(right)
    assert result["absolute"] == pytest.approx(fmean(absolute))
    assert result["normalized"] == pytest.approx(fmean(ratios))


@pytest.mark.parametrize("mode", ["standard", "linear"])
def test_alpha_is_chosen_without_test_data(study, mode, tmp_path):
    """The same choice, byte for byte, in a study that has no test files at all."""
    chosen, sweep = validate(study, mode, tmp_path / "with")
    blind = type(study)(tmp_path / "blind", study.model, study.theta0, study.task_vectors)
    shutil.copytree(study.root, blind.root)
    for path in blind.root.rglob("test.safetensors"):
        path.unlink()
    again, sweep_again = validate(blind, mode, tmp_path / "without")
    assert sweep_again == sweep
    assert again["alpha"] == chosen["alpha"]
    names = {Path(path).name for path in again["provenance"]["inputs"]}
    assert "validation.safetensors" in names


@pytest.mark.parametrize("mode", ["standard", "linear"])
def test_accuracies_of_another_mode_are_refused(study, mode, tmp_path):
    other = "linear" if mode == "standard" else "standard"
    flags = (*common(study, other), *GRID, "--output-dir", tmp_path)
    with pytest.raises(UserError, match=f"red.json is the result of mode '{other}'"):
        study.evaluate("validate_addition", mode, *flags, vectors=("sum",))


def test_a_task_without_its_single_task_accuracy_is_named(study, tmp_path):
    flags = common(study, "linear")[:-1]  # without blue's
    with pytest.raises(UserError, match="no single-task accuracy of blue"):
        study.evaluate(
            *("validate_addition", "linear", *flags, *GRID, "--output-dir", tmp_path),
            vectors=("sum",),
        )
