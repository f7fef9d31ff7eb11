"""Supervised pre-training at the smallest scale, and the labels that it learns."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from tangent.demo.drawing import PICTURES
from tangent.demo.world import CONTROL_TASK, TASKS, pretraining_classes, pretraining_data
from tangent.models.encoders import load_encoder
from tangent.models.fetch.fetching import fetch
from tangent.models.heads.probe import own_classifier
from tangent.tasks.task_files import Task
from tangent.training.pretraining.pixels import normalise
from tangent.training.pretraining.recipes import Supervised
from tangent.training.pretraining.steps import pretrain
from tangent.training.pretraining.supervised import TOWERS, prepare


def test_labels_say_what_captions_say(seed: int) -> None:
    _, captions, labels = pretraining_data(400, seed)
    classes = pretraining_classes()
    assert {task for task, _ in classes} == {*TASKS, CONTROL_TASK}
    vague = {task: forms["vague"] for task, forms in PICTURES["captions"].items()}
    named = [
        (classes[label], text)
        for label, text in zip(labels, captions, strict=True)
        if text not in vague.values()
    ]
    assert len(named) > 200
    for (_, name), text in named:
        assert name in text
    for label, text in zip(labels, captions, strict=True):
        if text in vague.values():
            assert vague[classes[label][0]] == text


class Short(Supervised):
    warmup_steps: ClassVar[int] = 4


@pytest.mark.parametrize("tower", TOWERS)
def test_a_classifier_learns_and_is_a_closed_vocabulary_model(tower: str, tmp_path: Path) -> None:
    recipe = Short(
        objective="supervised",
        tower=tower,
        images=256,
        epochs=8,
        batch_size=64,
        learning_rate=1e-3,
        seed=0,
        threads=1,
    )
    torch.manual_seed(recipe.seed)
    objective = prepare(recipe)
    rows = pretrain(objective, recipe, [recipe.steps]).rows
    first, last = (sum(row.loss for row in part) / 3 for part in (rows[:3], rows[-3:]))
    assert last < first - 0.3

    made, folder = tmp_path / "pretraining", tmp_path / "pretrained"
    objective.write(made)
    entry = {"source": "pretraining", "recipe": {"objective": "supervised"}, "step": recipe.steps}
    fetch(entry | {"folder": str(made)}).write(folder, {})
    task = Task("own", "", tuple(map(str, range(len(pretraining_classes())))), ("{}",))
    files = folder / "timm_model.safetensors", folder / "encoder.safetensors"
    head = own_classifier(*files, task)
    images = normalise(pretraining_data(4, 1)[0])
    objective.model.eval()
    with torch.no_grad():
        scores = load_encoder(folder)(images).numpy() @ head.weight.T + head.bias
        expected = objective.model(images).numpy()
    np.testing.assert_allclose(scores, expected, atol=1e-4)
    metrics = objective.metrics()
    assert set(metrics["accuracies"]) == {*TASKS, CONTROL_TASK}
    assert 0 <= metrics["accuracy"] <= 1
    assert objective.model.training
