"""Numbers of one task's fine-tuning: what is planned with them, and what a change runs again."""

import re

import pytest
import yaml
from workspace import Workspace

OWN = {"epochs": 9, "learning_rate": 5.0e-3, "weight_decay": 0.05, "warmup_steps": 7}
RATES = [1.0e-4, 1.0e-3, 1.0e-2]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    workspace = Workspace.create(tmp_path_factory.mktemp("own"))
    workspace.name_shipped_model()
    return workspace


def commands(workspace, **finetuning):
    """The commands behind tables 1 and 3, the study from random weights."""
    workspace.write("own.yaml", {"finetuning": finetuning})
    targets = ("table1", "table3")
    output = workspace.snakemake("-n", "-p", *targets, "--configfile", "own.yaml")
    return set(re.findall(r"python -m scripts [^\n]+", output))


def test_a_tasks_numbers_change_its_own_trainings_alone(workspace):
    """Snakemake runs again what has another command, and what follows from it."""
    before, after = commands(workspace), commands(workspace, tasks={"shapes": OWN})
    changed = after - before
    assert len(changed) == len(before - after) == 4
    # Random twins keep their rate and their epochs.
    for model, epochs, rate in (("demo-vit", 9, "0.005"), ("demo-vit-random", 8, "0.001")):
        for training in ("standard", "linear"):
            place = f"--training {training} --task shapes --model {model} "
            (command,) = [command for command in changed if place in command]
            assert command.startswith("python -m scripts finetune ")
            assert f"--epochs {epochs} " in command and f"--learning-rate {rate} " in command
            assert "--weight-decay 0.05 " in command and "--warmup-steps 7 " in command


def test_a_task_with_its_own_rate_is_in_no_search(workspace):
    tasks = {"shapes": {"learning_rate": {"linear": 5.0e-3}}}
    grid = {"learning_rate": {"standard": 1.0e-3, "linear": {"grid": RATES}}}
    workspace.write("own.yaml", {"finetuning": {**grid, "tasks": tasks}})
    planned = workspace.planned("table1", "--configfile", "own.yaml")
    (study,) = yaml.safe_load_all((workspace.folder / "config.yaml").read_text(encoding="utf-8"))
    others = [task for task in study["tasks"] if task != "shapes"]
    assert {job for job in planned if "at learning rate" in job} == {
        f"{what} {task} at learning rate {rate} ({place})"
        for task in others
        for rate in RATES
        for what, place in (
            ("fine-tune demo-vit on", "linear, seed 0"),
            ("validation accuracy on", "demo-vit, linear, seed 0"),
        )
    }
    assert "fine-tune demo-vit on shapes (linear, seed 0)" in planned
    adopted = {job for job in planned if job.startswith("take the training")}
    assert adopted and not any("shapes" in job for job in adopted)
    place = "--training linear --task shapes --model demo-vit "
    (linear,) = [job for job in commands(workspace, **grid, tasks=tasks) if place in job]
    assert "--learning-rate 0.005 " in linear and "--learning-rate-file" not in linear
