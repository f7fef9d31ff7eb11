"""Task negation: sweeps against brute force, the threshold, and what may influence the choice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tangent.evaluation.outcomes import encode
from tangent.jobs.errors import UserError

ALPHAS = tuple(np.linspace(0, 2, 9))
GRID = ("--alphas", 0, 2, 9)


def flags(study, task: str) -> list[object]:
    return ["--task", task, "--control", study.control]


def validate(
    study, mode: str, task: str, output: Path, threshold: float = 0.95
) -> tuple[dict, list[dict[str, str]]]:
    study.evaluate(
        *("validate_negation", mode, *flags(study, task), *GRID),
        *("--control-threshold", threshold, "--output-dir", output),
        vectors=(task,),
    )
    return study.json(str(output / "alpha.json")), study.csv(str(output / "sweep.csv"))


@pytest.mark.parametrize("mode", ["standard", "linear"])
def test_curves_equal_brute_force(study, mode, tmp_path):
    _, sweep = validate(study, mode, "green", tmp_path)
    assert [(float(row["alpha"]), row["task"]) for row in sweep] == [
        (alpha, task) for alpha in ALPHAS for task in ("green", study.control)
    ]
    for row in sweep:
        edit = {"green": -float(row["alpha"])}
        expected = study.oracle_accuracy(mode, edit, row["task"], "validation")
        reference = study.oracle_accuracy(mode, {}, row["task"], "validation")
        assert float(row["accuracy"]) == pytest.approx(expected)
        assert float(row["normalized"]) == pytest.approx(expected / reference)


@pytest.mark.parametrize("mode", ["standard", "linear"])
@pytest.mark.parametrize("threshold", [0.0, 0.6, 0.95, 1.0])
def test_alpha_forgets_most_without_breaking_the_threshold(study, mode, threshold, tmp_path):
    for task in study.tasks:
        chosen, sweep = validate(study, mode, task, tmp_path / task, threshold)
        by_alpha = {
            float(a["alpha"]): (float(a["accuracy"]), float(b["accuracy"]))
            for a, b in zip(sweep[::2], sweep[1::2], strict=True)
        }
        required = threshold * study.oracle_accuracy(mode, {}, study.control, "validation")
        admissible = {
            alpha: target
            for alpha, (target, control) in by_alpha.items()
            if control >= required - 1e-9 or alpha == 0
        }
        assert chosen["alpha"] in admissible
        lowest = min(admissible.values())
        assert chosen["alpha"] == min(a for a, t in admissible.items() if t <= lowest + 1e-12)


@pytest.mark.parametrize("mode", ["standard", "linear"])
def test_the_result_is_the_test_accuracy_at_the_chosen_alpha(study, mode, tmp_path):
    chosen, _ = validate(study, mode, "blue", tmp_path, threshold=0.5)
    output = tmp_path / "result.json"
    study.evaluate(
        *("negation", mode, *flags(study, "blue"), "--alpha", tmp_path / "alpha.json"),
        *("--output", output),
        vectors=("blue",),
    )
    result = study.json(str(output))
    edit = {"blue": -chosen["alpha"]}
    expected = {
        "target": study.oracle_accuracy(mode, edit, "blue", "test"),
        "control": study.oracle_accuracy(mode, edit, study.control, "test"),
        "target_pretrained": study.oracle_accuracy(mode, {}, "blue", "test"),
        "control_pretrained": study.oracle_accuracy(mode, {}, study.control, "test"),
    }
    assert {key: result[key] for key in expected} == pytest.approx(expected)
    assert (result["n_target"], result["n_control"]) == (50, 50)
    for outcomes, task in (("outcomes_target", "blue"), ("outcomes_control", study.control)):
        assert result[outcomes] == encode(study.right(mode, edit, task, "test"))
    assert result["alpha"] == chosen["alpha"]


@pytest.mark.parametrize("mode", ["standard", "linear"])
def test_poisoned_test_labels_leave_alpha_json_unchanged(study, mode, tmp_path):
    _, sweep = validate(study, mode, "red", tmp_path / "clean")
    poisoned = type(study)(tmp_path / "study", study.model, study.theta0, study.task_vectors)
    shutil.copytree(study.root, poisoned.root)
    for path in poisoned.root.glob("datasets/*/test.safetensors"):
        arrays = load_file(path)
        metadata = {"task": path.parent.name, "split": "test", "classes": '["poison"]'}
        save_file(arrays | {"labels": np.zeros_like(arrays["labels"])}, path, metadata)
    _, sweep_again = validate(poisoned, mode, "red", tmp_path / "poisoned")
    assert sweep_again == sweep

    def choice(folder: str) -> str:
        content = study.json(str(tmp_path / folder / "alpha.json"))
        content["provenance"]["settings"] = None  # the folders differ
        inputs = content["provenance"]["inputs"]
        content["provenance"]["inputs"] = sorted(inputs.values())
        return json.dumps(content)

    assert choice("poisoned") == choice("clean")


def test_another_tasks_alpha_is_refused(study, tmp_path):
    validate(study, "linear", "red", tmp_path)
    with pytest.raises(UserError, match="alpha.json is the result of vector 'red', not 'blue'"):
        study.evaluate(
            *("negation", "linear", *flags(study, "blue"), "--alpha", tmp_path / "alpha.json"),
            *("--output", tmp_path / "result.json"),
            vectors=("blue",),
        )


def test_a_control_task_without_features_is_named(study, tmp_path):
    shared = ["--model", "tiny", "--mode", "linear", "--seed", 0, *GRID]
    shared += ["--heads-dir", study.root / "heads", "--datasets-dir", study.root / "datasets"]
    shared += ["--control-threshold", 0.95]
    shared += ["--products", f"red={study.root}/products/red", f"grey={study.root}/products/grey"]
    features = ["--initial-features", f"red={study.root}/features/red"]
    with pytest.raises(UserError, match="no features on data set 'grey', only on red: .*DATASET="):
        study.script(
            "validate_negation", *shared, *features, *flags(study, "red"), "--output-dir", tmp_path
        )
