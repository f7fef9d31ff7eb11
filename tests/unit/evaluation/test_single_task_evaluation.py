"""Zero-shot and single-task accuracies against a count by hand."""

from __future__ import annotations

import pytest

from tangent.evaluation.outcomes import decode, encode
from tangent.jobs.errors import UserError


def test_zero_shot_counts_the_pretrained_models_hits(study):
    result = study.json("zero_shot.json")
    assert (result["model"], result["seed"]) == ("tiny", 0)
    assert set(result["tasks"]) == {*study.tasks, study.control}
    for task, splits in result["tasks"].items():
        for split, measured in splits.items():
            expected = study.oracle_accuracy("standard", {}, task, split)
            assert measured == {
                "accuracy": pytest.approx(expected),
                "n": len(study.labels(task, split)),
                "classes": len(study.head(task)),
                "outcomes": encode(study.right("standard", {}, task, split)),
            }


@pytest.mark.parametrize("mode", ["standard", "linear"])
def test_single_task_is_the_accuracy_at_alpha_one(study, mode):
    for task in study.tasks:
        result = study.json("single_task", mode, f"{task}.json")
        assert (result["model"], result["mode"], result["task"]) == ("tiny", mode, task)
        for split in ("validation", "test"):
            expected = study.oracle_accuracy(mode, {task: 1.0}, task, split)
            assert result[split]["accuracy"] == pytest.approx(expected)
            assert result[split]["n"] == len(study.labels(task, split))
            right = study.right(mode, {task: 1.0}, task, split)
            assert (decode(result[split]["outcomes"], len(right)) == right).all()


def test_provenance_names_the_inputs_of_the_mode(study):
    plain = study.json("single_task", "standard", "red.json")["provenance"]["inputs"]
    linear = study.json("single_task", "linear", "red.json")["provenance"]["inputs"]
    assert any(path.endswith("task_vectors/red.safetensors") for path in plain)
    assert not any("products" in path for path in plain)
    assert any(path.endswith("products/red/validation.safetensors") for path in linear)
    assert not any("encoder" in path for path in linear)


@pytest.mark.parametrize(
    ("mode", "flag"), [("standard", "--products"), ("linear", "--task-vectors")]
)
def test_a_mode_without_its_inputs_says_which_flags_it_needs(study, tmp_path, mode, flag):
    shared = ["--model", "tiny", "--mode", mode, "--seed", 0, "--heads-dir", study.root / "heads"]
    shared += ["--datasets-dir", study.root / "datasets"]
    shared += [*study.features_flag(), "--task", "red"]
    given = f"red={study.vector_file('red')}"
    needed = "--task-vectors" if mode == "standard" else "--products"
    with pytest.raises(UserError, match=needed):
        study.script("single_task", *shared, flag, given, "--output", tmp_path / "a.json")


def test_an_unknown_mode_is_refused(study, tmp_path):
    with pytest.raises(UserError, match="unknown mode 'quadratic'"):
        study.evaluate(
            *("single_task", "quadratic", "--task", "red", "--output", tmp_path / "a.json"),
            vectors=("red",),
        )
